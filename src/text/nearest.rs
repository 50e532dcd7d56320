//! What somebody may have meant by a name that is not known.

/// The known word that is nearest, if one is near at all.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 100 {
        return None;
    }
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|k| (distance(&lower, &k.to_lowercase()), k))
        .filter(|(d, k)| *d <= k.len().max(word.len()) / 3 + 1 && *d < k.len().max(2))
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// How many letters have to be put in, taken out, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut older: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], n: usize| row.get(n).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x) {
                best = best.min(at(&older, j - 1) + 1);
            }
            row.push(best);
        }
        older = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        assert_eq!(nearest("buckett", ["bucket", "stream"]), Some("bucket"));
        assert_eq!(nearest("shceduel", ["schedule", "stream"]), Some("schedule"));
        assert_eq!(nearest("landin", ["staging", "landing"]), Some("landing"));
        assert_eq!(nearest("get", ["GET", "POST"]), Some("GET"));
        assert_eq!(nearest("zzz", ["bucket", "stream"]), None);
        assert_eq!(nearest("crypto-straem", ["crypto-stream", "covid-etl"]), Some("crypto-stream"));
        assert_eq!(nearest("zzz", ["crypto-stream"]), None);
        assert_eq!(nearest("xyz", ["a"]), None);
    }
}
