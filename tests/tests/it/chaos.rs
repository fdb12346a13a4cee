//! The fleet under faults of every kind, small: `cargo xtask chaos` is the long form.

use xtask::arguments::Chaos;

#[tokio::test(flavor = "multi_thread")]
async fn sixty_jobs_under_faults_of_every_kind_break_no_promise() {
    e2e::chaos::run(Chaos { seed: 4, jobs: 60, output: None }).await.expect("no promise is broken");
}
