//! Reads a Dockerfile: as much of the language as ours use. What it does not know is an error, never skipped.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};

/// One stage: what it starts from, and its steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The name after `AS`.
    pub name: Option<String>,
    /// An image, `scratch`, or an earlier stage.
    pub from: String,
    /// What follows, in order.
    pub steps: Vec<Step>,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `RUN`: a line for the shell.
    Run(String),
    /// `COPY`: from the context, or from a stage.
    Copy {
        /// The stage; the context when absent.
        from: Option<String>,
        /// What.
        sources: Vec<String>,
        /// Where to.
        target: String,
    },
    /// `ARG`, its values not yet expanded.
    Argument(Vec<(String, String)>),
    /// `ENV`, its values not yet expanded.
    Environment(Vec<(String, String)>),
    /// `USER`.
    User(String),
    /// `WORKDIR`.
    Folder(String),
    /// `CMD` or `ENTRYPOINT` in exec form: what runs.
    Program(Vec<String>),
    /// What only describes the image.
    Note,
}

/// The stages of a Dockerfile, the last one being the image. An `ARG` before the first of them has its default value.
///
/// # Errors
/// Names the instruction that is not understood.
pub fn parse(text: &str) -> Result<Vec<Stage>> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut defaults = BTreeMap::new();
    for line in join(text) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        let rest = rest.trim();
        if word == "FROM" {
            let words: Vec<&str> = rest.split_whitespace().collect();
            let name = match words.as_slice() {
                [_] => None,
                [_, "AS", name] => Some((*name).to_owned()),
                _ => bail!("not understood: {line}"),
            };
            stages.push(Stage { name, from: expand(words[0], &defaults), steps: Vec::new() });
            continue;
        }
        let step = step(word, rest).with_context(|| format!("not understood: {line}"))?;
        if let (true, Step::Argument(pairs)) = (stages.is_empty(), &step) {
            defaults.extend(pairs.iter().cloned());
            continue;
        }
        stages.last_mut().context("a Dockerfile begins with FROM")?.steps.push(step);
    }
    ensure!(!stages.is_empty(), "a Dockerfile without FROM");
    Ok(stages)
}

fn step(word: &str, rest: &str) -> Result<Step> {
    Ok(match word {
        "RUN" => {
            ensure!(
                !rest.starts_with("--") && !rest.starts_with('['),
                "RUN has a shell line and no options here"
            );
            Step::Run(rest.to_owned())
        }
        "COPY" => {
            let (from, words) = match rest.strip_prefix("--from=") {
                Some(tail) => {
                    let (stage, files) = tail.split_once(char::is_whitespace).context("COPY of what?")?;
                    (Some(stage.to_owned()), files)
                }
                None => (None, rest),
            };
            ensure!(!words.contains("--"), "an option of COPY");
            let mut words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            let target = words.pop().context("COPY to where?")?;
            ensure!(!words.is_empty(), "COPY needs a source and a target");
            Step::Copy { from, sources: words, target }
        }
        "ENV" | "ARG" => {
            let pairs = rest.split_whitespace().map(|pair| {
                let (name, value) = pair.split_once('=').context("NAME=VALUE is wanted")?;
                Ok((name.to_owned(), value.to_owned()))
            });
            let pairs = pairs.collect::<Result<_>>()?;
            if word == "ARG" { Step::Argument(pairs) } else { Step::Environment(pairs) }
        }
        "USER" => Step::User(rest.to_owned()),
        "WORKDIR" => Step::Folder(rest.to_owned()),
        "CMD" | "ENTRYPOINT" => {
            let list =
                rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).context("not in exec form")?;
            Step::Program(list.split(',').map(|word| word.trim().trim_matches('"').to_owned()).collect())
        }
        "LABEL" | "EXPOSE" | "STOPSIGNAL" => Step::Note,
        _ => bail!("an instruction we do not use"),
    })
}

/// Logical lines: continued ones joined, comments and empty ones left out.
fn join(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_suffix('\\') {
            Some(part) => {
                open.push_str(part.trim_end());
                open.push(' ');
            }
            None => lines.push(std::mem::take(&mut open) + line),
        }
    }
    lines
}

/// Puts the values of `${NAME}` in.
#[must_use]
pub fn expand(text: &str, values: &BTreeMap<String, String>) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continued_lines_are_one_step_and_comments_are_none() {
        let stages = parse(
            "# a\nFROM debian AS one\nRUN a \\\n    # why\n    && b\nFROM scratch\nCOPY --from=one /x /y\n",
        );
        let stages = stages.expect("understood");
        assert_eq!(stages[0].name.as_deref(), Some("one"));
        assert_eq!(stages[0].steps, [Step::Run("a && b".into())]);
        let copy = Step::Copy { from: Some("one".into()), sources: vec!["/x".into()], target: "/y".into() };
        assert_eq!((stages[1].from.as_str(), &stages[1].steps), ("scratch", &vec![copy]));
    }

    #[test]
    fn an_argument_before_the_stages_names_what_they_start_from() {
        let stages = parse("ARG BASE=ours\nFROM ${BASE}\nARG V=1\nRUN x ${BASE}\n").expect("understood");
        assert_eq!(stages[0].from, "ours");
        // As in Docker: inside a stage it has no value.
        assert_eq!(stages[0].steps[1], Step::Run("x ${BASE}".into()));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for line in
            ["HEALTHCHECK CMD x", "RUN --mount=type=cache,target=/x y", "CMD api serve", "COPY --chown=1 a b"]
        {
            let error = parse(&format!("FROM debian\n{line}")).expect_err(line).to_string();
            assert!(error.contains(line), "{error}");
        }
    }

    #[test]
    fn arguments_are_put_in_by_name() {
        let values = BTreeMap::from([("V".to_owned(), "1.2".to_owned())]);
        assert_eq!(expand("x=${V} $V", &values), "x=1.2 $V");
    }
}
