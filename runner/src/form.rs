//! The form on the page, as data: what it asks, how it is answered, what stands in it now.

pub mod field;
pub mod perceive;
pub mod words;

pub use field::{Button, Choice, Field, Kind, PageFacts};
pub use perceive::Form;
