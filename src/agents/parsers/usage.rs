//! Usage counts: agents count per session, teof per call.

use crate::model::agent::Usage;

/// The part of a session's running total that belongs to this call. A total below the earlier one belongs to this
/// call alone: another version of the agent started to count again.
pub fn since(total: Usage, earlier: Usage) -> Usage {
    if total.input_tokens < earlier.input_tokens || total.output_tokens < earlier.output_tokens {
        return total;
    }
    Usage {
        input_tokens: total.input_tokens - earlier.input_tokens,
        cached_tokens: total.cached_tokens.saturating_sub(earlier.cached_tokens),
        output_tokens: total.output_tokens - earlier.output_tokens,
        cost_usd: total.cost_usd.map(|cost| (cost - earlier.cost_usd.unwrap_or(0.0)).max(0.0)),
    }
}

/// The usage with more tokens; a cost that either has is kept.
pub fn larger(a: Usage, b: Usage) -> Usage {
    let more = if b.tokens() > a.tokens() { b } else { a };
    Usage { cost_usd: a.cost_usd.or(b.cost_usd), ..more }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, output: u64, cost: f64) -> Usage {
        Usage { input_tokens: input, cached_tokens: 0, output_tokens: output, cost_usd: Some(cost) }
    }

    #[test]
    fn a_running_total_counts_the_difference_and_a_new_one_itself() {
        assert_eq!(since(usage(150, 30, 0.75), usage(100, 20, 0.5)), usage(50, 10, 0.25));
        assert_eq!(since(usage(50, 10, 0.25), usage(100, 20, 0.5)), usage(50, 10, 0.25));
        assert_eq!(since(usage(50, 10, 0.25), Usage::default()), usage(50, 10, 0.25));
    }
}
