//! What calls cost, by the catalogue.

use domain::money::MicroUsd;

use crate::{Model, Request, Usage};

/// Tokens a vendor may add around a prompt: roles, tool definitions, the schema's own wrapping.
const AROUND: u64 = 1_000;

/// The price of a call; none when it does not fit.
pub fn cost(model: &Model, usage: Usage) -> Option<MicroUsd> {
    let cached = model.cached_micros.unwrap_or(model.input_micros);
    [
        model.input_micros.per_million(usage.input)?,
        cached.per_million(usage.cached)?,
        model.output_micros.per_million(usage.output + usage.reasoning)?,
    ]
    .into_iter()
    .try_fold(MicroUsd::ZERO, MicroUsd::checked_add)
}

/// The most a call can cost: no token is shorter than a byte, and no answer longer than allowed.
pub fn worst_case(model: &Model, request: &Request) -> Option<MicroUsd> {
    let bytes = request.system.len() + request.user.len() + 2 * request.schema.to_string().len();
    let input = u64::try_from(bytes).ok()? + AROUND;
    cost(model, Usage { input, output: request.max_tokens.into(), ..Usage::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    #[test]
    fn a_call_costs_what_the_price_list_says() {
        let (mini, _) = Catalogue::built_in().resolve("gpt-4o-mini").expect("known");
        let usage = Usage { input: 4_000, output: 1_000, ..Usage::default() };
        assert_eq!(cost(mini, usage), Some(MicroUsd(1_200)));
    }

    #[test]
    fn the_worst_case_is_never_below_the_bill() {
        let (model, _) = Catalogue::built_in().resolve("claude-opus").expect("known");
        let request = Request {
            system: "s".repeat(400),
            user: "u".repeat(800),
            schema: serde_json::json!({}),
            max_tokens: 50,
        };
        let bill = cost(model, Usage { input: 1_200, output: 50, ..Usage::default() });
        assert!(worst_case(model, &request) >= bill);
    }
}
