//! What the page did not take is put right: from the same answers first, then with one more model call for all that is left.

use super::{Agent, End};
use crate::act::{State, combobox, verify};
use crate::decide::model::Trouble;
use crate::decide::{Answer, Decision, fit};
use crate::form::{Field, Form, Kind};
use crate::record::Line;

/// What a second look at a field found.
enum Look {
    /// Nothing is wrong with it, or nothing can be done.
    Fine,
    /// The same answer was put in again, and took.
    Mended,
    /// Another answer is needed.
    Trouble(Box<Unfit>),
}

/// An answer that is not the right one, or not in the right form.
struct Unfit {
    trouble: Trouble,
    given: Decision,
    /// Whether the page complains, or only shows something else.
    complains: bool,
}

impl Agent<'_> {
    /// Puts right what the page complains about or does not show; whether anything was changed.
    pub(super) async fn mend(&mut self, form: &Form) -> Result<bool, End> {
        let (mut mended, mut unfit) = (false, Vec::new());
        for field in form.fields.iter().filter(|field| field.kind != Kind::File) {
            match self.look_at(field).await? {
                Look::Fine => {}
                Look::Mended => mended = true,
                Look::Trouble(found) => unfit.push(*found),
            }
        }
        let troubles: Vec<Trouble> = unfit.iter().map(|it| it.trouble.clone()).collect();
        let decisions = self.ask_again(&troubles).await?;
        for (Unfit { trouble, given, complains }, decision) in unfit.into_iter().zip(decisions) {
            let Some(decision) = decision.or_else(|| Some(given).filter(|_| complains)) else { continue };
            let line = self.fill_field(&trouble.field, Some(decision.clone())).await?;
            mended |= line.state.is_settled();
            let told = Field { error: trouble.problem, ..trouble.field };
            self.learn(&told, Some(&decision), line.state);
            self.record.get().put(line);
        }
        Ok(mended)
    }

    /// Looks at a field once more; an answer that the page lost, or never showed, is put in again.
    async fn look_at(&mut self, field: &Field) -> Result<Look, End> {
        let state = self.session.state(field).await?;
        let line = self.line_of(field);
        let untaken = line.as_ref().is_some_and(is_untaken);
        let complains = state.invalid || !state.valid || !field.error.is_empty();
        if !untaken && !complains {
            return Ok(Look::Fine);
        }
        let given = self.decide(field).or_else(|| again(field, line.as_ref()?));
        let Some(given) = given else { return Ok(Look::Fine) };
        let shown = verify::says(field, &given.answer, &field.value);
        let unsure = line.as_ref().is_some_and(|line| line.state == State::Unverified);
        if !shown && (!untaken || (unsure && field.kind != Kind::Combobox)) {
            let line = self.fill_field(field, Some(given.clone())).await?;
            let settled = line.state.is_settled();
            self.record.get().put(line);
            if settled {
                return Ok(Look::Mended);
            }
        }
        // One that need not be given, and is not complained about, may stay as it is.
        if !complains && line.as_ref().is_some_and(|line| !line.required && line.error.is_empty()) {
            return Ok(Look::Fine);
        }
        let tried = line.as_ref().filter(|_| untaken).and_then(|line| line.value.clone());
        let tried = tried.unwrap_or_else(|| verify::words(field, &given.answer));
        let said = [&field.error, &state.error].into_iter().find(|text| !text.is_empty()).cloned();
        let problem = said.or_else(|| line.map(|line| line.error)).filter(|text| !text.is_empty());
        let problem = problem.unwrap_or_else(|| "the field did not keep this answer".to_owned());
        let mut field = field.clone();
        if field.kind == Kind::Combobox && field.options.is_empty() {
            field.options = combobox::offers(&self.session, &field, &tried).await?;
        }
        let trouble = Trouble { field, tried, problem };
        Ok(Look::Trouble(Box::new(Unfit { trouble, given, complains })))
    }

    /// Whether an answer on this page did not take.
    pub(super) fn has_untaken(&self) -> bool {
        self.record.get().lines.iter().any(|line| line.page == self.page && is_untaken(line))
    }

    /// The report's line about a field of this page.
    pub(super) fn line_of(&self, field: &Field) -> Option<Line> {
        let key = field.key();
        self.record.get().lines.iter().find(|line| line.page == self.page && line.key == key).cloned()
    }
}

/// An answer that the page does not show or does not want.
pub(super) fn is_untaken(line: &Line) -> bool {
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
