//! Keys of the storage that somebody chose: whose file one names, for every program that will read it.
//!
//! A key is text here, a path for the URL parser, and whatever a server makes of it. So a key is fit only if no reading of it leads
//! elsewhere: no character that a parser drops, no segment that it resolves, in no number of decodings.

use crate::id::UserId;

/// The longest key a bucket takes, in bytes.
const LONGEST: usize = 1024;

/// Why a key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// No bucket takes it.
    #[error("must be at most {LONGEST} bytes long")]
    TooLong,
    /// A parser drops such a character, or a reader does not see it.
    #[error("must hold no control character, invisible character or backslash")]
    Character,
    /// A parser resolves such a segment.
    #[error("must hold no empty segment and none of dots alone")]
    Segment,
    /// It would be read once more than it was written.
    #[error("must hold no escape such as %20, no `?` and no `#`")]
    Escape,
    /// It lies in nobody's folder, or somebody else's.
    #[error("must begin with the id of the user")]
    Foreign,
}

/// What a user may name: a file below the folder that bears their id. `gh_foreign_resume` is the same rule in SQL.
///
/// # Errors
/// When some program might find another file under this key, or none.
pub fn check_own(owner: UserId, key: &str) -> Result<(), KeyFault> {
    if !key.strip_prefix(&owner.to_string()).is_some_and(|rest| rest.starts_with('/')) {
        return Err(KeyFault::Foreign);
    }
    check(key)?;
    let is_escape = |at: usize| {
        let digits = key.as_bytes().get(at + 1..at + 3).unwrap_or_default();
        digits.len() == 2 && digits.iter().all(u8::is_ascii_hexdigit)
    };
    // The wide forms become `/`, `\` and `%` where text is normalised.
    let is_read_again = |letter| matches!(letter, '?' | '#' | '／' | '＼' | '﹨' | '％' | '﹪');
    if key.match_indices('%').any(|(at, _)| is_escape(at)) || key.contains(is_read_again) {
        return Err(KeyFault::Escape);
    }
    Ok(())
}

/// What anybody may name: a file of the bucket, and the same one for every program.
///
/// # Errors
/// When it is too long, or [`check_path`] refuses it.
pub fn check(key: &str) -> Result<(), KeyFault> {
    if key.len() > LONGEST {
        return Err(KeyFault::TooLong);
    }
    check_path(key)
}

/// A key, or one as it stands in an address: decoded as often as it can be, every stage of it has to be plain.
///
/// # Errors
/// When a stage holds a character or a segment that does not stay what it is.
pub fn check_path(path: &str) -> Result<(), KeyFault> {
    let mut stage = path.to_owned();
    loop {
        if stage.contains(|letter: char| letter == '\\' || is_dropped(letter)) {
            return Err(KeyFault::Character);
        }
        // A `?` that is decoded ends a path for who parses it again.
        let ends_early =
            |segment: &str| segment.chars().take_while(|it| !matches!(it, '?' | '#')).all(is_nothing);
        if stage.split('/').any(ends_early) {
            return Err(KeyFault::Segment);
        }
        let next = decoded(&stage);
        if next == stage {
            return Ok(());
        }
        stage = next;
    }
}

/// Control characters, line ends, and what is not seen: but not the joiners of Persian, Hindi and emoji names.
fn is_dropped(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}'
        )
        || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
        || matches!(letter, '\u{e0000}'..='\u{e007f}')
}

/// What leaves a segment empty or of dots alone: dots, what becomes one where text is normalised, blanks, and joiners.
fn is_nothing(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter, '.' | '\u{2024}'..='\u{2026}' | '\u{3002}' | '\u{fe52}' | '\u{ff0e}' | '\u{ff61}')
        || matches!(letter, '\u{34f}' | '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// Every escape of `text` as what it stands for.
fn decoded(text: &str) -> String {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        if let (b'%', [high, low, after @ ..]) = (first, more)
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            bytes.push(high << 4 | low);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_users_own_only_if_no_reading_of_it_is_another() {
        let me = UserId(uuid::Uuid::from_u128(1));
        let said = |key: &str| check_own(me, &key.replace("{me}", &me.to_string())).err();
        for key in [
            "{me}/cv.pdf",
            "{me}/0192/My Résumé (final).pdf",
            "{me}/..cv...pdf",
            "{me}/100% me.pdf",
            "{me}/👨‍💻.pdf",
        ] {
            assert_eq!(said(key), None, "{key}");
        }
        for (key, fault) in [
            ("{me}", KeyFault::Foreign),
            ("{me}-not/cv.pdf", KeyFault::Foreign),
            (" {me}/cv.pdf", KeyFault::Foreign),
            ("{me}/.\t./you/cv.pdf", KeyFault::Character),
            ("{me}/cv\u{85}.pdf", KeyFault::Character),
            ("{me}/..\\you", KeyFault::Character),
            ("{me}/.%09./you", KeyFault::Character),
            ("{me}/%25%30%39/you", KeyFault::Character),
            ("{me}/", KeyFault::Segment),
            ("{me}//cv.pdf", KeyFault::Segment),
            ("{me}/ ./cv.pdf", KeyFault::Segment),
            ("{me}/．．/you", KeyFault::Segment),
            ("{me}/.%2E/you", KeyFault::Segment),
            ("{me}/%25252e%252e/you", KeyFault::Segment),
            ("{me}/..?/you", KeyFault::Segment),
            ("{me}/a%2f..%2F../you", KeyFault::Segment),
            ("{me}/My%20CV.pdf", KeyFault::Escape),
            ("{me}/..／you", KeyFault::Escape),
            ("{me}/cv.pdf?x", KeyFault::Escape),
        ] {
            assert_eq!(said(key), Some(fault), "{key:?}");
        }
        assert_eq!(said(&format!("{{me}}/{}", "x".repeat(1000))), Some(KeyFault::TooLong));
    }
}
