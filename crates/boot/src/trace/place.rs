//! A place in a trace, as W3C Trace Context writes it.

use uuid::Uuid;

/// A trace, and the span in it that others hang on; none for the first of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    trace: u128,
    span: Option<u64>,
}

impl Place {
    /// Where a job's way begins: within the span its caller was in, else in a trace that has the job's id.
    ///
    /// So a job that was only inserted has a trace too, and everybody who knows the job finds it.
    pub fn of_job(job: Uuid, traceparent: Option<&str>) -> Self {
        traceparent.and_then(Self::read).unwrap_or(Self { trace: job.as_u128(), span: None })
    }

    /// The place a `traceparent` names, if it is well-formed (version 00).
    pub fn read(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let fits = (version.len(), trace.len(), span.len()) == (2, 32, 16) && is_hex(trace) && is_hex(span);
        let place = fits.then_some(Self {
            trace: u128::from_str_radix(trace, 16).ok()?,
            span: Some(u64::from_str_radix(span, 16).ok()?),
        })?;
        (place.trace != 0 && place.span != Some(0)).then_some(place)
    }

    /// Within the span about this subject, here.
    #[must_use]
    pub fn below(self, subject: Uuid) -> Self {
        self.within(half(subject))
    }

    /// As a `traceparent`; `None` at the beginning of a trace.
    pub fn traceparent(self) -> Option<String> {
        self.span.map(|span| format!("00-{:032x}-{span:016x}-01", self.trace))
    }

    pub(super) fn within(self, span: u64) -> Self {
        Self { span: Some(span), ..self }
    }

    pub(super) fn ids(self) -> (u128, Option<u64>) {
        (self.trace, self.span)
    }
}

/// The id of the span about a subject: the second half of its own, which is random in the versions we use. Zero is no span's id.
pub(super) fn half(subject: Uuid) -> u64 {
    let (_, half) = subject.as_u64_pair();
    half.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_job_joins_its_callers_trace_and_else_has_one_of_its_own_id() {
        let job = Uuid::from_u128(0x1111_2222_3333_4444_5555_6666_7777_8888);
        assert_eq!(Place::of_job(job, Some(CALLER)).traceparent().as_deref(), Some(CALLER));
        for none in [None, Some("nonsense"), Some("00-0-0-01")] {
            let place = Place::of_job(job, none);
            assert_eq!(place.traceparent(), None, "it is the first of its trace");
            let below = place.below(job).traceparent().expect("a span");
            assert_eq!(below, "00-11112222333344445555666677778888-5555666677778888-01");
            assert_eq!(Place::read(&below), Some(place.below(job)));
        }
    }

    #[test]
    fn what_is_no_traceparent_is_no_place() {
        let zero = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        for text in ["", "00", zero, &CALLER[..50], &CALLER.replace('7', "x"), &CALLER.replace('7', "+")] {
            assert_eq!(Place::read(text), None, "{text}");
        }
    }
}
