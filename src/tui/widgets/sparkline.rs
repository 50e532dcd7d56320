//! A row of measurements as small bars.

/// Eighths of a column's height.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The newest `width` values as bars between their smallest and their greatest.
pub fn sparkline(values: &[f64], width: usize) -> String {
    let newest = values.get(values.len().saturating_sub(width)..).unwrap_or_default();
    let finite = || newest.iter().copied().filter(|v| v.is_finite());
    let (low, high) = finite().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    newest
        .iter()
        .map(|value| {
            if !value.is_finite() {
                return ' ';
            }
            let share = if high > low { (value - low) / (high - low) } else { 0.0 };
            *BARS.get((share * 7.0).round() as usize).unwrap_or(&'█')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_lie_between_the_extremes() {
        assert_eq!(sparkline(&[0.0, 1.0, 2.0, 7.0], 9), "▁▂▃█");
        assert_eq!(sparkline(&[5.0, 5.0], 9), "▁▁");
        assert_eq!(sparkline(&[9.0, 0.0, 1.0], 2), "▁█");
        assert_eq!(sparkline(&[0.0, f64::NAN, 1.0], 9), "▁ █");
        assert_eq!(sparkline(&[], 9), "");
    }
}
