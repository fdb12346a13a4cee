//! What the page did not take is put right: from the same answers first, then with one more model call for all that is left.

use super::{Agent, End};
use crate::act::{State, combobox, verify};
use crate::decide::model::Trouble;
use crate::decide::{Answer, Decision, fit};
use crate::form::{Field, Form, Kind};
use crate::record::Line;

impl Agent<'_> {
    /// Puts right what the page complains about or does not show; whether anything was changed.
    pub(super) async fn mend(&mut self, form: &Form) -> Result<bool, End> {
        let (mut mended, mut troubles, mut before) = (false, Vec::new(), Vec::new());
        for field in form.fields.iter().filter(|field| field.kind != Kind::File) {
            let state = self.session.state(field).await?;
            let line = self.line_of(field);
            let untaken = line.as_ref().is_some_and(is_untaken);
            let complains = state.invalid || !state.valid || !field.error.is_empty();
            if !untaken && !complains {
                continue;
            }
            let Some(given) = self.decide(field).or_else(|| again(field, line.as_ref()?)) else { continue };
            let shown = verify::says(field, &given.answer, &field.value);
            let unsure = line.as_ref().is_some_and(|line| line.state == State::Unverified);
            if !shown && (!untaken || (unsure && field.kind != Kind::Combobox)) {
                // The page lost it, or never showed it: the same answer once more.
                let line = self.fill_field(field, Some(given.clone())).await?;
                let settled = line.state.is_settled();
                self.record.get().put(line);
                mended |= settled;
                if settled {
                    continue;
                }
            }
            // One that need not be given, and is not complained about, may stay as it is.
            if !complains && line.as_ref().is_some_and(|line| !line.required && line.error.is_empty()) {
                continue;
            }
            let tried = verify::words(field, &given.answer);
            let said = [&field.error, &state.error].into_iter().find(|text| !text.is_empty()).cloned();
            let problem = said.or_else(|| line.map(|line| line.error)).filter(|text| !text.is_empty());
            let problem = problem.unwrap_or_else(|| "the field did not keep this answer".to_owned());
            let mut field = field.clone();
            if field.kind == Kind::Combobox && field.options.is_empty() {
                field.options = combobox::offers(&self.session, &field, &tried).await?;
            }
            troubles.push(Trouble { field, tried, problem });
            before.push((given, complains));
        }
        let decisions = self.ask_again(&troubles).await?;
        for ((trouble, decision), (given, complains)) in troubles.iter().zip(decisions).zip(before) {
            let Some(decision) = decision.or_else(|| Some(given).filter(|_| complains)) else { continue };
            let decided = decision.clone();
            let line = self.fill_field(&trouble.field, Some(decision)).await?;
            mended |= line.state.is_settled();
            self.learn(&trouble.field, Some(&decided), line.state);
            self.record.get().put(line);
        }
        Ok(mended)
    }

    /// Whether an answer on this page did not take.
    pub(super) fn has_untaken(&self) -> bool {
        self.record.get().lines.iter().any(|line| line.page == self.page && is_untaken(line))
    }

    fn line_of(&self, field: &Field) -> Option<Line> {
        let key = field.key();
        self.record.get().lines.iter().find(|line| line.page == self.page && line.key == key).cloned()
    }
}

/// An answer that the page does not show or does not want.
fn is_untaken(line: &Line) -> bool {
    line.value.is_some() && matches!(line.state, State::Rejected | State::Unverified) && line.kind != "file"
}

/// What was answered, for a field that only a model or a manual could answer.
fn again(field: &Field, line: &Line) -> Option<Decision> {
    let value = line.value.as_deref()?;
    let answer = match fit::fit(field, value)? {
        Answer::File(_) => return None,
        answer => answer,
    };
    Some(Decision { answer, source: line.source, fact: line.fact.clone() })
}
