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

/// The newest values as columns, `width` of them and `height` rows high, with the line of a limit.
pub fn chart(values: &[f64], limit: Option<f64>, (width, height): (usize, usize)) -> Vec<String> {
    let newest = values.get(values.len().saturating_sub(width)..).unwrap_or_default();
    let all = newest.iter().copied().chain(limit).filter(|v| v.is_finite());
    let (low, high) = all.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    // In eighths of a row, from one of them up; one row where all are alike.
    let eighths = |value: f64| {
        if high <= low {
            return BARS.len();
        }
        1 + ((value - low) / (high - low) * (height.max(1) * BARS.len() - 1) as f64).round() as usize
    };
    let line = limit.filter(|l| l.is_finite()).map(|l| (eighths(l) - 1) / BARS.len());
    let rows = (0..height).rev().map(|at| {
        let column = |value: &f64| {
            let reaches = if value.is_finite() { eighths(*value) } else { 0 };
            match reaches.checked_sub(at * BARS.len() + 1) {
                Some(over) => *BARS.get(over).unwrap_or(&'█'),
                None if line == Some(at) => '─',
                None => ' ',
            }
        };
        let name = if line == Some(at) { "─ limit" } else { "" };
        format!("{}{name}", newest.iter().map(column).collect::<String>())
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_the_line_of_its_limit() {
        let rows = chart(&[0.0, 1.0, 2.0, 4.0], Some(2.0), (9, 5));
        assert_eq!(rows, ["   █", "   █", "──▅█─ limit", " ▃██", "▁███"]);
        assert_eq!(chart(&[0.0, 1.0, 3.0], None, (2, 2)), [" █", "▁█"]);
        assert_eq!(chart(&[1.0, 1.0], Some(9.0), (9, 2)), ["─── limit", "▁▁"]);
        assert_eq!(chart(&[5.0, 5.0], None, (9, 2)), ["  ", "██"]);
    }

    #[test]
    fn bars_lie_between_the_extremes() {
        assert_eq!(sparkline(&[0.0, 1.0, 2.0, 7.0], 9), "▁▂▃█");
        assert_eq!(sparkline(&[5.0, 5.0], 9), "▁▁");
        assert_eq!(sparkline(&[9.0, 0.0, 1.0], 2), "▁█");
        assert_eq!(sparkline(&[0.0, f64::NAN, 1.0], 9), "▁ █");
        assert_eq!(sparkline(&[], 9), "");
    }
}
