//! Samples and what is told of them.

/// Durations in milliseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Adds one.
    pub(crate) fn add(&mut self, ms: f64) {
        self.0.push(ms);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The value that `percent` of the samples do not exceed; not a number when there are none.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let index = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }

    /// The median.
    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// Median and 95th percentile, for a table.
    pub(crate) fn cell(&self) -> String {
        if self.0.is_empty() {
            "-".to_owned()
        } else {
            format!("{:.2} / {:.2}", self.median(), self.percentile(95))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_samples() {
        let mut samples = Samples::default();
        assert!(samples.median().is_nan());
        for ms in [5.0, 1.0, 4.0, 2.0, 3.0] {
            samples.add(ms);
        }
        assert_eq!(samples.cell(), "3.00 / 5.00");
        assert_eq!(samples.count(), 5);
    }
}
