//! What may be told to a model's vendor: the one list. Of the candidate's facts only what stands on it leaves; a key that
//! nobody knows stays at home, and so does everything below it.
//!
//! Contact data, money and legal standing go along only with a question that asks for them ([`super::private`]). Stored
//! answers have no keys: one goes along with a question about the same thing, and none that is a secret or says who the
//! candidate is (age, gender, origin, health, belief).

use super::{phrases, private, sensitive};
use crate::form::{Field, words};

/// What only holds facts together: says nothing itself.
#[rustfmt::skip]
const AROUND: &[&str] = &[
    "profile", "profiles", "candidate", "applicant", "user", "user data", "basics", "resume", "cv", "career",
    "professional", "personal info", "personal information", "personal details", "contact", "contact info",
    "contact information", "contact details", "online profiles", "social links", "social profiles", "social media",
    "preferences", "job preferences", "additional",
];
/// What a candidate would write on a résumé, and what forms ask of everybody.
#[rustfmt::skip]
const FACTS: &[&str] = &[
    "name", "first name", "last name", "middle name", "full name", "given name", "family name", "preferred name",
    "preferred first name", "nickname", "firstname", "lastname", "fullname", "headline", "summary",
    "professional summary", "about", "about me", "bio", "objective", "cover letter", "coverletter", "motivation",
    "email", "e mail", "email address", "phone", "phone number", "mobile", "mobile phone", "mobile number", "telephone",
    "address", "street", "street address", "address line", "city", "town", "state", "province", "region", "county",
    "country", "zip", "zip code", "zipcode", "postal code", "postcode", "location", "current location",
    "preferred location", "preferred locations", "desired location", "desired locations",
    "link", "links", "url", "urls", "website", "website url", "personal website", "portfolio", "portfolio url", "blog",
    "linkedin", "linkedin url", "linkedin profile", "linked in", "linked in url", "github", "github url",
    "github profile", "git hub", "gitlab", "gitlab url", "twitter", "twitter url", "stackoverflow", "stack overflow",
    "kaggle", "behance", "dribbble", "google scholar",
    "company", "employer", "title", "position", "role", "job title", "current company", "current employer",
    "current title", "current position", "current role", "current job title", "industry", "industries", "seniority",
    "years of experience", "years experience", "experience years", "total experience", "total years of experience",
    "years of work experience", "notice period", "start date", "available from", "availability", "available start date",
    "earliest start date", "date available",
    "salary", "salary expectation", "salary expectations", "desired salary", "expected salary", "salary range",
    "salary currency", "compensation", "compensation expectation", "compensation expectations", "hourly rate",
    "work authorization", "work authorisation", "work authorization status", "authorized to work", "work authorized",
    "right to work", "work permit", "requires sponsorship", "require sponsorship", "needs sponsorship",
    "visa sponsorship", "sponsorship", "sponsorship required", "visa status",
    "willing to relocate", "relocation", "relocate", "willing to travel", "remote", "remote preference",
    "employment type", "job type", "work mode", "referral source", "how did you hear", "hear about us", "source",
    "school", "university", "college", "institution", "degree", "highest degree", "education level",
    "level of education", "field of study", "major", "minor", "discipline", "gpa", "graduation year", "graduation date",
    "honors", "thesis", "coursework",
    "technical skills", "soft skills", "core skills", "key skills", "tools", "technologies", "tech stack", "frameworks",
    "programming languages", "spoken languages", "patents", "achievements", "accomplishments",
];
/// Lists of facts, with what may stand in their entries beside [`FACTS`].
#[rustfmt::skip]
const LISTS: &[&str] = &[
    "work", "work history", "work experience", "experience", "experiences", "employment", "employment history",
    "professional experience", "jobs", "positions", "roles", "internships", "education", "educations",
    "education history", "schools", "skills", "skill", "languages", "language", "certifications", "certification",
    "certificates", "courses", "projects", "project", "publications", "publication", "awards", "award", "volunteering",
];
#[rustfmt::skip]
const ENTRIES: &[&str] = &[
    "date", "dates", "start", "end", "from", "to", "end date", "start year", "start month", "end year", "end month",
    "year", "years", "month", "current", "is current", "present", "currently working", "description", "highlights",
    "highlight", "responsibilities", "duties", "details", "team", "department", "field", "area", "area of study",
    "study type", "degree type", "type", "level", "proficiency", "fluency", "score", "grade", "issuer", "publisher",
    "keywords", "company name", "employer name", "school name", "institution name", "university name", "project name",
    "language name", "skill name", "graduated", "last used",
];
/// Words that two questions may have in common by chance.
#[rustfmt::skip]
const SMALL: &[&str] = &[
    "about", "above", "after", "been", "before", "best", "briefly", "choose", "could", "describe", "does", "enter", "ever",
    "from", "give", "have", "here", "into", "like", "list", "make", "many", "more", "most", "much", "other", "please",
    "provide", "select", "share", "should", "some", "state", "such", "tell", "than", "that", "their", "them", "then",
    "there", "they", "this", "type", "were", "what", "when", "where", "which", "will", "with", "would", "your", "yourself",
];
/// A word shorter than this is no topic.
const TOPIC: usize = 4;

/// Whether a fact may be told to a model. `path` is its key with those of all objects around it.
pub fn may_go(path: &str) -> bool {
    let path = phrases::of_key(path);
    let parts: Vec<&str> = path.split(' ').filter(|it| it.parse::<u32>().is_err()).collect();
    is_made_of_known(&parts, false, false)
}

/// Whether known phrases make up the whole path; `said` tells whether one of them says something.
fn is_made_of_known(parts: &[&str], in_list: bool, said: bool) -> bool {
    if parts.is_empty() {
        return said;
    }
    let goes_on = |phrases: &[&str], in_list: bool, said: bool| {
        phrases.iter().any(|phrase| {
            let length = phrase.split(' ').count();
            length <= parts.len()
                && phrase.split(' ').eq(parts[..length].iter().copied())
                && is_made_of_known(&parts[length..], in_list, said)
        })
    };
    goes_on(AROUND, in_list, said)
        || goes_on(FACTS, in_list, true)
        || goes_on(LISTS, true, true)
        || (in_list && goes_on(ENTRIES, true, true))
}

/// Whether the candidate's answer to this question may be told to a model at all.
pub fn may_answer_go(asked: &str) -> bool {
    !sensitive::stays_home(&words::plain(asked))
}

/// Whether a stored answer to `asked` is about what a field asks.
pub fn is_about(asked: &str, field: &Field) -> bool {
    if private::is_private(asked) {
        return private::may_tell(asked, field);
    }
    let (asked, asks) = (words::plain(asked), words::plain(&field.question));
    let topics = asked.split(' ').filter(|it| it.chars().count() >= TOPIC && !SMALL.contains(it));
    topics.into_iter().any(|topic| {
        let one = topic.strip_suffix('s').unwrap_or(topic);
        asks.split(' ').any(|word| word.strip_suffix('s').unwrap_or(word) == one)
    }) || words::question(&asked) == words::question(&asks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decide::test_field, form::Kind};

    #[test]
    fn what_a_resume_says_may_go_at_any_depth() {
        #[rustfmt::skip]
        let paths = [
            "first_name", "firstName", "summary", "skills", "languages", "languages 2 proficiency", "links github",
            "linkedin_url", "linkedinUrl", "work_history 1 company", "workHistory 2 jobTitle", "work_history 1 end_date",
            "experience 1 highlights", "education 1 fieldOfStudy", "education 1 year", "location city", "address zip",
            "personal_info email", "contact phone", "projects 1 description", "certifications 1 issuer",
            "years_of_experience", "notice_period", "salary_expectation", "work_authorization", "requires_sponsorship",
            "profile basics name", "preferences willing_to_relocate",
        ];
        for path in paths {
            assert!(may_go(path), "{path}");
        }
    }

    #[test]
    fn what_is_not_on_the_list_stays_at_home_whatever_it_is_called() {
        #[rustfmt::skip]
        let paths = [
            "credentials username", "credentials email", "credentials 1 value", "login email", "password", "ssn",
            "personal_info ssn", "socialSecurityNumber", "social", "tax_id", "taxId", "bank iban", "bank name",
            "payment card number", "otp", "oneTimeCode", "gender", "eeo title", "eeo summary", "demographics name",
            "demographics group", "race", "raceEthnicity", "hispanic_latino", "disability_status", "veteran_status",
            "religion", "orientation", "sexual_orientation", "pronouns", "marital_status", "date_of_birth", "dob",
            "birthday", "age", "personal_info age", "nationality", "citizenship", "passport_country", "passport name",
            "driver_license", "work_history 1 supervisor_phone", "references 1 email", "emergency_contact phone",
            "work_history 1 reason_for_leaving", "education 1 student_id", "medical summary", "favourite_machine",
            "profile", "contact", "date", "year", "notes", "x", "", "1",
        ];
        for path in paths {
            assert!(!may_go(path), "{path}");
        }
    }

    #[test]
    fn an_answer_goes_along_with_a_question_about_the_same_thing_only() {
        let field = |question: &str| test_field(Kind::Text, question);
        for (asked, question) in [
            ("Have you worked with Kubernetes in production?", "Years of Kubernetes"),
            ("Have you been convicted of a felony?", "Do you have a criminal record?"),
            ("What is your notice period?", "Notice period"),
            ("Which languages do you speak?", "Language"),
        ] {
            assert!(may_answer_go(asked) && is_about(asked, &field(question)), "{asked}: {question}");
        }
        for (asked, question) in [
            ("Have you been convicted of a felony?", "Which of our products do you use?"),
            ("Have you worked with Kubernetes in production?", "Have you been to Paris?"),
            ("Desired salary", "Which engine did you last work on?"),
        ] {
            assert!(!is_about(asked, &field(question)), "{asked}: {question}");
        }
        for asked in [
            "Gender",
            "What is your SSN?",
            "How old are you?",
            "Do you have a disability?",
            "Your PIN",
            "IBAN",
            "Enter the code we sent you",
            "Are you Hispanic or Latino?",
            "What is your date of birth?",
            "Password",
        ] {
            assert!(!may_answer_go(asked), "{asked}");
        }
    }
}
