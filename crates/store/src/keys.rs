//! Changing the key that columns are sealed with: what an earlier key sealed is opened and sealed again with the current one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::seal::{SealError, Sealer};
use crate::{Db, Result};

/// How many rows are read at once.
const PAGE: i64 = 500;

/// What became of one column.
#[derive(Debug, PartialEq, Eq)]
pub struct Resealed {
    /// Table and column.
    pub column: &'static str,
    /// Sealed again.
    pub done: u64,
    /// Had been sealed with the current key already.
    pub current: u64,
    /// Rows that do not open with any key there is, and why. They are left as they are.
    pub closed: Vec<(Uuid, SealError)>,
}

/// A sealed column of a table.
struct Column {
    name: &'static str,
    /// The rows after `$1`, `$2` of them: id and sealed value.
    read: &'static str,
    /// Puts `$3` where `$2` still stands, in row `$1`; `$4` is the key's number.
    write: &'static str,
    /// Whether the value is kept as base64, as the old system has it.
    is_text: bool,
    /// What its values are bound to, after the row's id.
    bound: fn(Uuid) -> Vec<u8>,
}

/// Tokens of what still runs, and what is kept for users. Answers of people are sealed with tokens, not with this key.
const COLUMNS: [Column; 4] = [
    Column {
        name: "gh_job_attempts.token_sealed",
        read: "select id, token_sealed from gh_job_attempts
            where id > $1 and state in ('claimed', 'launching', 'running') order by id limit $2",
        write: "update gh_job_attempts set token_sealed = $3 where id = $1 and token_sealed = $2 and $4 <> ''",
        is_text: false,
        bound: crate::token::belongs_to,
    },
    Column {
        name: "gh_machines.token_sealed",
        read: "select id, token_sealed from gh_machines
            where id > $1 and token_sealed is not null and closed_at is null order by id limit $2",
        write: "update gh_machines set token_sealed = $3 where id = $1 and token_sealed = $2 and $4 <> ''",
        is_text: false,
        bound: crate::token::belongs_to,
    },
    Column {
        name: "gh_browser_sessions.session_data",
        read: "select id, convert_to(session_data, 'UTF8') from gh_browser_sessions where id > $1 order by id limit $2",
        write:
            "update gh_browser_sessions set session_data = convert_from($3, 'UTF8'), encryption_key_id = $4
            where id = $1 and session_data = convert_from($2, 'UTF8')",
        is_text: true,
        bound: |id| format!("gh_browser_sessions.session_data:{id}").into_bytes(),
    },
    Column {
        name: "gh_user_credentials.encrypted_data",
        read: "select id, encrypted_data from gh_user_credentials where id > $1 order by id limit $2",
        write: "update gh_user_credentials set encrypted_data = $3, encryption_key_id = $4 where id = $1 and encrypted_data = $2",
        is_text: false,
        bound: |id| format!("gh_user_credentials.encrypted_data:{id}").into_bytes(),
    },
];

/// Seals everything again that was sealed with an earlier key, one row at a time, and never over a value that changed meanwhile.
/// Doing it twice changes nothing more. What does not open is left as it is and told.
///
/// # Errors
/// When the database cannot be reached.
pub async fn rotate(db: &Db, sealer: &Sealer) -> Result<Vec<Resealed>> {
    let mut all = Vec::new();
    for column in &COLUMNS {
        all.push(column.rotate(db, sealer).await?);
    }
    Ok(all)
}

impl Column {
    async fn rotate(&self, db: &Db, sealer: &Sealer) -> Result<Resealed> {
        let mut told = Resealed { column: self.name, done: 0, current: 0, closed: Vec::new() };
        let mut after = Uuid::nil();
        loop {
            let rows: Vec<(Uuid, Vec<u8>)> =
                sqlx::query_as(self.read).bind(after).bind(PAGE).fetch_all(&db.pool).await?;
            let Some((last, _)) = rows.last() else { return Ok(told) };
            after = *last;
            for (id, kept) in rows {
                match self.resealed(sealer, id, &kept) {
                    Ok(None) => told.current += 1,
                    Ok(Some(sealed)) => {
                        let write = sqlx::query(self.write).bind(id).bind(kept).bind(sealed);
                        let written = write.bind(sealer.current().to_string()).execute(&db.pool).await?;
                        told.done += written.rows_affected();
                    }
                    Err(why) => told.closed.push((id, why)),
                }
            }
        }
    }

    /// The value under the current key, or `None` when it is already.
    fn resealed(
        &self,
        sealer: &Sealer,
        id: Uuid,
        kept: &[u8],
    ) -> std::result::Result<Option<Vec<u8>>, SealError> {
        let sealed =
            if self.is_text { STANDARD.decode(kept).map_err(|_| SealError::Format)? } else { kept.to_vec() };
        if sealer.is_current(&sealed) {
            return Ok(None);
        }
        let bound = (self.bound)(id);
        // The old system bound its values to nothing; from now on they belong to their row.
        let plain = sealer.open(&bound, &sealed).or_else(|why| match why {
            SealError::Refused => sealer.open(b"", &sealed),
            other => Err(other),
        })?;
        let sealed = sealer.seal(&bound, &plain)?;
        Ok(Some(if self.is_text { STANDARD.encode(sealed).into_bytes() } else { sealed }))
    }
}
