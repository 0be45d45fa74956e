//! The counts of the resolver, as the admin port shows them.

/// Counts since the start, and one gauge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResolverStats {
    /// Lookups that were started; waiters that shared one count once.
    pub lookups: u64,
    /// Questions answered from kept answers, good or bad.
    pub cache_hits: u64,
    /// Lookups that failed or ran out of time, and questions refused because too many lookups were in flight.
    pub failures: u64,
    /// Lookups in flight now.
    pub in_flight: u64,
}
