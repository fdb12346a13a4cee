//! Typed ids: a job's id cannot be passed where an attempt's is meant.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(transparent))]
        #[serde(transparent)]
        pub struct $name(pub uuid::Uuid);

        impl $name {
            /// A new id; version 7, so ids sort by the time they were made.
            pub fn new() -> Self {
                Self(uuid::Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// A row of `gh_automation_jobs`.
    JobId
}
id! {
    /// One try at a job: a row of `gh_job_attempts`.
    AttemptId
}
id! {
    /// The end user a job belongs to: `auth.users.id` of the shared Supabase project.
    UserId
}

impl AttemptId {
    /// The name of the attempt's machine, and what the job row shows as `worker_id`.
    ///
    /// Fly refuses a second live machine of the same name and names the first one in the refusal,
    /// so a name that is the attempt makes the create call repeatable.
    pub fn machine_name(self) -> String {
        format!("gh-{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_named_after_its_attempt() {
        let id: AttemptId = "0193a000-0000-7000-8000-000000000001".parse().expect("a uuid");
        assert_eq!(id.machine_name(), "gh-0193a000-0000-7000-8000-000000000001");
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let (first, second) = (JobId::new(), JobId::new());
        assert!(first <= second);
    }
}
