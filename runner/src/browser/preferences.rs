//! What a full Chromium takes from its profile only, because no flag says it. The headless shell reads none of it.

use serde_json::{Value, json};

/// The preferences of a new profile: nothing that asks its makers, and no bubble over the page.
pub(super) fn preferences() -> Value {
    json!({
        // A dictionary would be fetched at the first keys, spelling checked or not: the one of --lang is blocked.
        "browser": {"enable_spellchecking": false},
        "spellcheck": {"dictionaries": [], "dictionary": "", "blocked_dictionaries": ["en-US"]},
        // Lists and verdicts come from its makers; what may be opened is the proxy's decision.
        "safebrowsing": {"enabled": false, "enhanced": false},
        // Addresses that the page only mentions are not opened ahead.
        "net": {"network_prediction_options": 2},
        "search": {"suggest_enabled": false},
        "alternate_error_pages": {"enabled": false},
        "translate": {"enabled": false},
        "signin": {"allowed": false, "allowed_on_next_startup": false},
        // Nothing is offered to be kept or filled in: each job has a profile of its own.
        "credentials_enable_service": false,
        "profile": {"password_manager_leak_detection": false},
        "autofill": {"profile_enabled": false, "credit_card_enabled": false},
    })
}
