//! Writes metric families under the full names their samples have, so that a name can be searched for in the source.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::observe::counters::HistogramSum;

/// The text being written.
pub(super) struct Page<'a>(pub DescriptorEncoder<'a>);

impl Page<'_> {
    pub fn counter(&mut self, name: &str, help: &str, value: impl EncodeCounterValue) -> fmt::Result {
        self.family(name, help, MetricType::Counter)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    pub fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.family(name, help, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// A counter with one label; one sample per pair of label value and number.
    pub fn counters<'s>(
        &mut self,
        name: &str,
        help: &str,
        label: &'s str,
        samples: impl IntoIterator<Item = (&'s str, u64)>,
    ) -> fmt::Result {
        self.counters_of(name, help, samples.into_iter().map(|(value, count)| ([(label, value)], count)))
    }

    /// A gauge with one label; one sample per pair of label value and number.
    pub fn gauges<'s>(
        &mut self,
        name: &str,
        help: &str,
        label: &'s str,
        samples: impl IntoIterator<Item = (&'s str, u64)>,
    ) -> fmt::Result {
        self.gauges_of(name, help, samples.into_iter().map(|(value, count)| ([(label, value)], count)))
    }

    /// A counter with labels; one sample per pair of labels and number.
    pub fn counters_of<'s, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([(&'s str, &'s str); N], u64)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Counter)?;
        for (labels, count) in samples {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    }

    /// A gauge with labels; one sample per pair of labels and number.
    pub fn gauges_of<'s, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([(&'s str, &'s str); N], u64)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Gauge)?;
        for (labels, count) in samples {
            family.encode_family(&labels)?.encode_gauge(&count)?;
        }
        Ok(())
    }

    pub fn histogram(&mut self, name: &str, help: &str, sum: &HistogramSum) -> fmt::Result {
        encode_histogram(&mut self.family(name, help, MetricType::Histogram)?, sum)
    }

    /// A histogram with one label; one series per pair of label value and sum.
    pub fn histograms<'s>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        series: impl IntoIterator<Item = (&'s str, &'s HistogramSum)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Histogram)?;
        for (value, sum) in series {
            encode_histogram(&mut family.encode_family(&[(label, value)])?, sum)?;
        }
        Ok(())
    }

    fn family<'s>(&'s mut self, name: &'s str, help: &str, kind: MetricType) -> Result<MetricEncoder<'s>, fmt::Error> {
        // The encoder puts the suffix of counters back on their samples.
        self.0.encode_descriptor(name.strip_suffix("_total").unwrap_or(name), help, None, kind)
    }
}

fn encode_histogram(encoder: &mut MetricEncoder<'_>, sum: &HistogramSum) -> fmt::Result {
    let bounds = sum.bounds.iter().copied().chain([f64::INFINITY]);
    // Without a worker there are no counts, and still there must be a bucket.
    let counts = sum.counts.iter().copied().chain(sum.counts.is_empty().then_some(0));
    let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
    encoder.encode_histogram::<NoLabelSet>(sum.seconds, sum.counts.iter().sum(), &buckets, None)
}
