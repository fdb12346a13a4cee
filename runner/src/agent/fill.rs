//! One page of the form: résumé first, then every question, then a second look at what the page made of it.

use std::collections::{HashMap, HashSet};

use super::{Agent, End};
use crate::act::{self, State, combobox, verify};
use crate::browser::Node;
use crate::decide::history::{self, Part};
use crate::decide::{Decision, Source};
use crate::form::{Button, Field, Form, Kind, words};
use crate::progress::Step;
use crate::record::Line;

/// How often a page is read again for questions that answers have revealed.
const ROUNDS: usize = 4;
/// How many closed sections of one frame are opened.
const SECTIONS: usize = 12;
/// File inputs that are for the résumé.
const RESUME: &[&str] = &[
    "resume",
    "résumé",
    "cv",
    "curriculum vitae",
    "lebenslauf",
    "currículum",
    "curriculum",
    "履歴書",
    "简历",
    "이력서",
    "życiorys",
];
/// File inputs that are for something else.
const NOT_RESUME: &[&str] = &[
    "cover",
    "anschreiben",
    "motivation",
    "photo",
    "picture",
    "avatar",
    "transcript",
    "certificate",
    "portfolio",
    "other",
    "additional",
    "zeugnis",
    "lettre",
];

impl Agent<'_> {
    /// Answers everything on the page that can be answered, and returns the page as it then is.
    pub(super) async fn fill_page(&mut self, mut form: Form) -> Result<Form, End> {
        self.hold_back().await?;
        self.progress.expect(u32::try_from(form.fields.len()).unwrap_or(u32::MAX).saturating_add(3));
        let mut handled: HashMap<String, Line> = HashMap::new();
        self.let_upload(true);
        if let Some(line) = self.upload_resume(&form).await? {
            handled.insert(line.key.clone(), line);
            form = self.read().await?; // the site's parser may have filled other fields
        }
        self.let_upload(false);
        self.progress.step(Step::FillingForm).await;
        form = self.unfold(form).await?;
        form = self.add_rows(form).await?;
        for _ in 0..ROUNDS {
            redrawn(&form, &mut handled);
            let fresh: Vec<Field> =
                form.fields.iter().filter(|it| !handled.contains_key(&it.key())).cloned().collect();
            if fresh.is_empty() {
                break;
            }
            self.rows = row_numbers(&form.fields);
            self.answer(fresh, &mut handled).await?;
            form = self.read().await?;
            self.session.hold_submits(true).await?; // in frames that came meanwhile, too
            form = self.unfold(form).await?;
        }
        self.look_again(&form, &mut handled).await?;
        if self.has_untaken() && self.mend(&form).await? {
            form = self.read().await?;
        }
        self.forget_hidden(&form);
        Ok(form)
    }

    /// Opens sections that are closed and hold questions.
    async fn unfold(&mut self, mut form: Form) -> Result<Form, End> {
        let mut opened = false;
        for world in self.session.worlds().await? {
            let closed: Vec<u32> = self.session.run(&world, "() => __gh.collapsed()", &[]).await?;
            for index in closed.into_iter().take(SECTIONS) {
                let node = Node { world: world.clone(), index };
                if self.unfolded.insert(index) {
                    opened |= self.press_within(&form, &node, false).await?;
                }
            }
        }
        if opened {
            form = self.read().await?;
        }
        Ok(form)
    }

    /// Adds rows for jobs and schools until there is one for each that the candidate has.
    async fn add_rows(&mut self, mut form: Form) -> Result<Form, End> {
        for part in Part::ALL {
            let wanted = part.rows(&self.profile);
            for _ in 0..wanted {
                let before = history::present(part, &form.fields);
                let button = form.buttons.iter().find(|it| !it.disabled && part.is_added_by(it));
                let Some(button) = button.filter(|_| before < wanted).and_then(Button::control) else {
                    break;
                };
                self.press_within(&form, &button, true).await?;
                self.record.get().actions += 1;
                form = self.read().await?;
                if history::present(part, &form.fields) <= before {
                    break;
                }
            }
        }
        Ok(form)
    }

    /// Decides and fills these fields.
    async fn answer(&mut self, fields: Vec<Field>, handled: &mut HashMap<String, Line>) -> Result<(), End> {
        let mut plan: Vec<(Field, Option<Decision>)> = Vec::with_capacity(fields.len());
        for mut field in fields {
            if field.kind == Kind::Combobox && field.options.is_empty() && field.value.is_empty() {
                field.options = combobox::read_options(&self.session, &field).await?;
            }
            let decision = self.decide(&field);
            plan.push((field, decision));
        }
        self.ask_model(&mut plan).await?;
        for (field, decision) in plan {
            let decided = decision.clone();
            let line = self.fill_field(&field, decision).await?;
            self.learn(&field, decided.as_ref(), line.state);
            self.record.get().put(line.clone());
            handled.insert(field.key(), line);
        }
        Ok(())
    }

    pub(super) async fn fill_field(
        &mut self,
        field: &Field,
        decision: Option<Decision>,
    ) -> Result<Line, End> {
        let mut line = Line::new(field, self.page);
        let Some(decision) = decision else {
            if !field.value.is_empty() && field.error.is_empty() && field.kind != Kind::Password {
                (line.state, line.source) = (State::PrefilledOk, Source::Prefilled);
                line.value = Some(field.value.clone());
            }
            return Ok(line);
        };
        self.entered.get_or_insert_with(std::time::Instant::now);
        let done = act::fill(&self.session, field, &decision.answer).await?;
        line.value = Some(verify::words(field, &decision.answer));
        (line.state, line.read_back, line.error) = (done.state, done.read_back, done.error);
        (line.source, line.fact) = (decision.source, decision.fact);
        self.record.get().actions += done.actions;
        self.progress.did(done.actions, &field.question).await;
        Ok(line)
    }

    async fn upload_resume(&mut self, form: &Form) -> Result<Option<Line>, End> {
        if self.resume.is_none() {
            return Ok(None);
        }
        let files = || form.fields.iter().filter(|it| it.kind == Kind::File && is_resume(it));
        let wanted =
            files().find(|it| !words::plain(&it.question).contains("autofill")).or_else(|| files().next());
        let Some(field) = wanted else { return Ok(None) };
        self.progress.step(Step::UploadingResume).await;
        let line = self.fill_field(field, self.decide(field)).await?;
        self.uploaded |= line.state.is_settled();
        self.record.get().put(line.clone());
        Ok(Some(line))
    }

    /// Drops questions that an answer has taken off the page ("To", once "I currently work here" is ticked).
    fn forget_hidden(&self, form: &Form) {
        let present: HashSet<String> = form.fields.iter().map(Field::key).collect();
        let page = self.page;
        let open = |line: &Line| {
            matches!(line.state, State::NeedsHuman | State::SkippedOptional | State::Unverified)
        };
        // A file input may leave the page because it took the file: never forgotten.
        self.record.get().lines.retain(|line| {
            line.page != page || present.contains(&line.key) || !open(line) || line.kind == "file"
        });
    }

    /// Puts right what the page changed after we had filled it.
    async fn look_again(&mut self, form: &Form, handled: &mut HashMap<String, Line>) -> Result<(), End> {
        for field in &form.fields {
            let Some(line) =
                handled.get(&field.key()).filter(|it| it.state == State::FilledVerified).cloned()
            else {
                continue;
            };
            let lost = field.value.is_empty() && field.kind != Kind::File;
            if !lost && field.error.is_empty() {
                continue;
            }
            if let Some(decision) = self.decide(field).filter(|_| lost) {
                let again = self.fill_field(field, Some(decision)).await?;
                self.record.get().put(again);
            } else {
                let state = if lost { State::Unverified } else { State::Rejected };
                self.record.get().put(Line {
                    state,
                    read_back: field.value.clone(),
                    error: field.error.clone(),
                    ..line
                });
            }
        }
        Ok(())
    }
}

/// Gives lines to the fields that a page drew anew: same question, same name, another node.
fn redrawn(form: &Form, handled: &mut HashMap<String, Line>) {
    let present: HashSet<String> = form.fields.iter().map(Field::key).collect();
    for field in form.fields.iter().filter(|field| !field.value.is_empty()) {
        let key = field.key();
        if handled.contains_key(&key) {
            continue;
        }
        let same = |line: &Line| {
            line.question == field.question && line.kind == field.kind.word() && line.group == field.group
        };
        let mut lost = handled.iter().filter(|(key, line)| !present.contains(*key) && same(line));
        if let (Some((old, line)), None) = (lost.next(), lost.next())
            && (line.state.is_settled() && line.read_back == field.value)
        {
            let (old, line) = (old.clone(), line.clone());
            handled.remove(&old);
            handled.insert(key, line);
        }
    }
}

/// Which row of a repeated part each field belongs to, by its group's number or by how often its question came before.
fn row_numbers(fields: &[Field]) -> HashMap<String, usize> {
    let mut seen: HashMap<(Part, &str, &str), usize> = HashMap::new();
    let mut rows = HashMap::new();
    for field in fields {
        let Some(part) = Part::of(field).filter(|part| part.asks(field)) else { continue };
        let count = seen.entry((part, field.question.as_str(), field.part.as_str())).or_default();
        *count += 1;
        rows.insert(
            field.key(),
            history::number(&field.group).or_else(|| history::number(&field.section)).unwrap_or(*count),
        );
    }
    rows
}

pub(super) fn is_resume(field: &Field) -> bool {
    let text = words::plain(&format!("{} {} {}", field.question, field.name, field.section));
    let own = words::plain(&format!("{} {}", field.question, field.name));
    let named = |words: &[&str], text: &str| {
        words.iter().any(|word| {
            text.split(' ').any(|it| it == *word)
                || (word.contains(' ') || !word.is_ascii()) && text.contains(word)
        })
    };
    if named(RESUME, &own) {
        return true;
    }
    !NOT_RESUME.iter().any(|word| own.contains(word)) && named(RESUME, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::test_field;

    #[test]
    fn the_resume_goes_into_the_resume_input_only() {
        for question in ["Resume/CV", "Lebenslauf", "Upload your CV", "Resume"] {
            assert!(is_resume(&test_field(Kind::File, question)), "{question}");
        }
        for question in ["Cover letter", "Photo", "Other documents"] {
            assert!(!is_resume(&test_field(Kind::File, question)), "{question}");
        }
        let by_heading = Field { section: "Resume".into(), ..test_field(Kind::File, "Attach") };
        assert!(is_resume(&by_heading));
    }
}
