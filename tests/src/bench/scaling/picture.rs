//! The trace as an SVG that can be read on light and on dark paper.

use std::fmt::Write as _;

use super::{Decision, Sample};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 440.0;
/// The room around the curves: left, top, right, bottom.
const EDGE: (f64, f64, f64, f64) = (64.0, 76.0, 24.0, 56.0);
/// Paper and ink, by day and by night; three colours that differ in lightness, too.
const STYLE: &str = "
  .paper { fill: #ffffff } .ink { fill: #1f2328 } .faint { fill: #59636e } .grid { stroke: #d1d9e0; stroke-width: 1 }
  .axis { stroke: #59636e; stroke-width: 1.5 } .mark { stroke: #59636e; stroke-dasharray: 3 3 }
  .pending { stroke: #bc4c00 } .capacity { stroke: #0550ae } .machines { stroke: #1a7f37 }
  .curve { fill: none; stroke-width: 2.5; stroke-linejoin: round } .capacity { stroke-dasharray: 8 4 }
  text { font: 13px system-ui, sans-serif } .title { font-size: 17px; font-weight: 600 } .small { font-size: 12px }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } .ink { fill: #f0f6fc } .faint { fill: #9198a1 } .grid { stroke: #2a313c }
    .axis { stroke: #9198a1 } .mark { stroke: #9198a1 }
    .pending { stroke: #f0883e } .capacity { stroke: #79c0ff } .machines { stroke: #56d364 }
  }";

/// Which count of a moment a curve shows.
type Of = fn(&Sample) -> i64;

struct Scale {
    seconds: f64,
    most: f64,
}

impl Scale {
    fn x(&self, seconds: f64) -> f64 {
        EDGE.0 + seconds / self.seconds * (WIDTH - EDGE.0 - EDGE.2)
    }

    fn y(&self, count: f64) -> f64 {
        HEIGHT - EDGE.3 - count / self.most * (HEIGHT - EDGE.1 - EDGE.3)
    }
}

/// Draws the trace and marks the rule's decisions.
pub(super) fn draw(samples: &[Sample], decisions: &[Decision]) -> String {
    let most = samples.iter().map(|it| it.pending.max(it.capacity).max(it.machines)).max().unwrap_or(1);
    let scale = Scale {
        seconds: samples.last().map_or(60.0, |last| (last.at / 60.0).ceil() * 60.0),
        most: (count(most) / 20.0).ceil().max(1.0) * 20.0,
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"title\">\
         <style>{STYLE}</style>\n<rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n\
         <text id=\"title\" class=\"ink title\" x=\"{}\" y=\"28\">The scaling rule on a burst: pending jobs, capacity, live machines</text>\n",
        EDGE.0
    );
    axes(&mut svg, &scale);
    marks(&mut svg, &scale, decisions);
    let curves: [(&str, &str, Of); 3] = [
        ("pending", "pending jobs", |it| it.pending),
        ("capacity", "capacity of the tier", |it| it.capacity),
        ("machines", "live machines", |it| it.machines),
    ];
    for (number, (class, name, of)) in curves.into_iter().enumerate() {
        let _ = writeln!(svg, "<path class=\"curve {class}\" d=\"{}\"/>", steps(samples, &scale, of));
        let x = EDGE.0 + 190.0 * f64::from(u8::try_from(number).unwrap_or(0));
        let _ = writeln!(
            svg,
            "<line class=\"curve {class}\" x1=\"{x}\" y1=\"48\" x2=\"{}\" y2=\"48\"/><text class=\"ink\" x=\"{}\" y=\"52\">{name}</text>",
            x + 34.0,
            x + 42.0
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn axes(svg: &mut String, scale: &Scale) {
    let (left, right, bottom) = (EDGE.0, WIDTH - EDGE.2, HEIGHT - EDGE.3);
    let step = if scale.most > 100.0 { 40.0 } else { 20.0 };
    let mut at = 0.0;
    while at <= scale.most {
        let y = scale.y(at);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"faint\" text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{at}</text>",
            left - 8.0,
            y + 4.0
        );
        at += step;
    }
    let mut minute = 0.0;
    while minute * 60.0 <= scale.seconds {
        let x = scale.x(minute * 60.0);
        let _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{bottom}\" y2=\"{}\"/><text class=\"faint\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{}\">{minute}</text>",
            bottom + 5.0,
            bottom + 20.0
        );
        minute += 1.0;
    }
    let middle = f64::midpoint(EDGE.1, bottom);
    let _ = writeln!(
        svg,
        "<line class=\"axis\" x1=\"{left}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\"/>\n\
         <text class=\"ink\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">time, in minutes</text>\n\
         <text class=\"ink\" text-anchor=\"middle\" transform=\"rotate(-90 20 {middle})\" x=\"20\" y=\"{middle}\">jobs, machines</text>",
        f64::midpoint(left, right),
        HEIGHT - 12.0
    );
}

/// A dashed line where the rule began to move the capacity for one reason, and what came of it.
fn marks(svg: &mut String, scale: &Scale, decisions: &[Decision]) {
    for run in decisions.chunk_by(|one, next| one.reason == next.reason) {
        let [Decision { at, capacity_from, reason, .. }, ..] = run else { continue };
        let to = run.last().map_or(*capacity_from, |last| last.capacity_to);
        let steps = if run.len() > 1 { format!(" in {} steps", run.len()) } else { String::new() };
        let x = scale.x(*at);
        let (anchor, text_x) = if x > WIDTH - 160.0 { ("end", x - 5.0) } else { ("start", x + 5.0) };
        let _ = writeln!(
            svg,
            "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\"/>\
             <text class=\"faint small\" text-anchor=\"{anchor}\" x=\"{text_x:.1}\" y=\"{}\">{reason}: {capacity_from} → {to}{steps}</text>",
            EDGE.1,
            HEIGHT - EDGE.3,
            EDGE.1 + 4.0
        );
    }
}

/// Counts change at once, so the line has steps; only the corners are drawn.
fn steps(samples: &[Sample], scale: &Scale, of: fn(&Sample) -> i64) -> String {
    let (mut path, mut last) = (String::new(), None);
    for sample in samples {
        let value = of(sample);
        let (x, y) = (scale.x(sample.at), scale.y(count(value)));
        match last {
            None => {
                let _ = write!(path, "M{x:.1} {y:.1}");
            }
            Some(before) if before != value => {
                let _ = write!(path, "H{x:.1}V{y:.1}");
            }
            Some(_) => {}
        }
        last = Some(value);
    }
    if let Some(end) = samples.last() {
        let _ = write!(path, "H{:.1}", scale.x(end.at));
    }
    path
}

fn count(value: i64) -> f64 {
    f64::from(i32::try_from(value).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_corners_of_a_curve_are_drawn() {
        let sample = |at, pending| Sample { at, pending, capacity: 2, machines: 0, done: 0 };
        let samples = [sample(0.0, 0), sample(1.0, 0), sample(2.0, 5), sample(3.0, 5)];
        let scale = Scale { seconds: 60.0, most: 20.0 };
        let path = steps(&samples, &scale, |it| it.pending);
        assert_eq!(path.matches(['H', 'V']).count(), 3, "{path}");
        assert!(draw(&samples, &[]).ends_with("</svg>\n"));
    }

    #[test]
    fn decisions_of_one_reason_are_one_mark() {
        let decision = |at, from, to, reason: &str| Decision {
            at,
            capacity_from: from,
            capacity_to: to,
            reason: reason.to_owned(),
        };
        let decisions =
            [decision(1.0, 2, 3, "backlog"), decision(2.0, 3, 9, "backlog"), decision(50.0, 9, 2, "quiet")];
        let mut svg = String::new();
        marks(&mut svg, &Scale { seconds: 60.0, most: 20.0 }, &decisions);
        assert_eq!(svg.matches("<line").count(), 2, "{svg}");
        assert!(svg.contains("backlog: 2 → 9 in 2 steps") && svg.contains("quiet: 9 → 2<"), "{svg}");
    }
}
