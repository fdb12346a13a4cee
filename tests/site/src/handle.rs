//! The running site, as its owner sees it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::book::{Book, Brand, Submission, Visit};
use crate::practice::Delivery;
use crate::router::router;

/// How long a stop waits for answers under way before it cuts them.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves the site on `listener`, in a task of its own, offering `resume` at `/resume.pdf`.
///
/// # Errors
/// When the listener has no local address.
pub fn serve(listener: TcpListener, resume: impl Into<Bytes>) -> std::io::Result<Handle> {
    let address = listener.local_addr()?;
    let (book, stop) = (Arc::new(Book::new(resume.into())), CancellationToken::new());
    let server =
        axum::serve(listener, router(book.clone())).with_graceful_shutdown(stop.clone().cancelled_owned());
    let task = tokio::spawn(async move { server.await });
    Ok(Handle { address, book, stop, task })
}

/// A running site; dropping it stops the site.
pub struct Handle {
    address: SocketAddr,
    book: Arc<Book>,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl Handle {
    /// Where the site listens, as `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of a form for the job called `reference`.
    pub fn form_url(&self, brand: Brand, reference: &str) -> String {
        let path = match brand {
            Brand::Northwind => "northwind",
            Brand::Contoso => "contoso",
        };
        format!("{}/{path}/apply?ref={reference}", self.url())
    }

    /// The address of the résumé the site offers.
    pub fn resume_url(&self) -> String {
        format!("{}/resume.pdf", self.url())
    }

    /// Every post so far, refused ones too, oldest first.
    pub fn received(&self) -> Vec<Submission> {
        self.book.submissions()
    }

    /// The accepted applications of the job called `reference`; exactly one is what everybody wants.
    pub fn accepted(&self, reference: &str) -> Vec<Submission> {
        let mut posts = self.received();
        posts.retain(|post| post.accepted && post.reference.as_deref() == Some(reference));
        posts
    }

    /// Every look at a form's page so far, oldest first.
    pub fn visits(&self) -> Vec<Visit> {
        self.book.visits()
    }

    /// What the practice pages sent so far, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.book.deliveries()
    }

    /// Waits until `reached` says yes of this site; false when that took longer than `limit`.
    pub async fn wait_until(&self, limit: Duration, reached: impl Fn(&Self) -> bool) -> bool {
        let mut changes = self.book.changes();
        tokio::time::timeout(limit, async {
            while !reached(self) {
                // The sender lives in the book this handle owns.
                let _ = changes.changed().await;
            }
        })
        .await
        .is_ok()
    }

    /// Answers every post received so far that was told to hang.
    pub fn release(&self) {
        self.book.release();
    }

    /// Stops the site; answers under way get two seconds.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.book.release();
        let _ = tokio::time::timeout(DRAIN, &mut self.task).await;
    }

    /// Serves until somebody else stops the process.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn serve_forever(mut self) -> std::io::Result<()> {
        (&mut self.task).await.map_err(std::io::Error::other)?
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.cancel();
        self.book.release();
        self.task.abort();
    }
}
