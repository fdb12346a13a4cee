//! The one way out of the browser: a proxy of our own that decides by resolved address what may be opened.
//!
//! Chromium hands every connection to it (pages, frames, workers, sockets, downloads) and resolves no name itself. The
//! address that was checked is the address that is dialled, so a name that changes its mind in between changes nothing.

mod gate;
mod outside;
mod proxy;

pub use gate::{Gate, Policy};
pub use outside::{Outside, Pending};
pub use proxy::Egress;
