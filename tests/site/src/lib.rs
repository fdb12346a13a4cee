//! Career pages of our own, to apply on without bothering anybody: two companies, two very different forms.
//!
//! | page | what it is like |
//! |---|---|
//! | `/northwind/apply` | one classic HTML form, posted as multipart, answered with a redirect to a confirmation page |
//! | `/contoso/apply` | a two-step wizard in JavaScript, submitted with `fetch`, confirmed in place without a new address |
//! | `/practice/NAME` | pages built like the systems companies use, and their widgets, each with an oracle (see [`judge`]) |
//!
//! Whatever is posted, accepted or refused, is written down and can be read at `/received` or from the [`Handle`].
//! The query of a page (see [`Trouble`]) makes it slow, or makes it take an application and never answer.

mod book;
mod contoso;
mod form;
mod gate;
mod handle;
mod northwind;
mod page;
mod practice;
mod resume;
mod router;
mod trouble;

pub use book::{Brand, Submission, Upload, Visit};
pub use handle::{Handle, serve};
pub use practice::{Delivery, Judgement, judge, practice_candidate, practice_pages};
pub use resume::sample_resume;
pub use trouble::{OnSubmit, Trouble};
