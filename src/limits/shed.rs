//! Giving streams up for the sake of the whole process.

use super::Limits;

impl Limits {
    /// Streams that hold slots under `rule`, of all holders.
    pub fn streams_in_use(&self, rule: &str) -> u32 {
        self.usage().iter().filter(|usage| *usage.rule == *rule).map(|usage| usage.streams.in_use).sum()
    }

    /// Asks up to `most` streams under `rule` to make room, those that have been silent longest first; gives how many
    /// were asked. Nobody waits for their slots.
    pub fn evict_longest_silent(&self, rule: &str, most: u32) -> u32 {
        let entries = self.table.entries().filter(|entry| *entry.key().rule == *rule);
        let mut asked = 0;
        for entry in entries {
            while asked < most && entry.evict_longest_silent() {
                asked += 1;
            }
        }
        asked
    }
}
