//! Log lines as functions write them, always the same.

/// Milliseconds since 1970 of the first line: 2026-11-20T04:00:00Z.
pub const BEGIN_MS: i64 = 1_795_147_200_000;
/// In one line of a thousand, for filters.
pub const RARE: &str = "retrying after";

/// A sequence of numbers without a pattern (SplitMix64).
fn mixed(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A line's time in milliseconds.
pub fn time(n: u64) -> i64 {
    BEGIN_MS + (n * 40 + mixed(n) % 30) as i64
}

/// Line `n`, 112 bytes in the mean. Each request writes `per_request` lines: an id of its own for each line is the worst
/// case for whatever compresses them.
pub fn line(n: u64, per_request: u64) -> String {
    let request = n / per_request.max(1);
    let (high, low) = (mixed(request * 2 + 1), mixed(request * 2 + 2));
    let id = format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48) & 0x3fff,
        low & 0xffff_ffff_ffff
    );
    let pair = ["BTC-USD", "ETH-USD", "XRP-USD"][(n % 3) as usize];
    let time = jiff::Timestamp::from_millisecond(time(n)).unwrap().strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
    if n % 1000 == 999 {
        format!("{time} WARN RequestId: {id} {RARE} {} ms pair={pair}", n % 7 * 100)
    } else {
        let cents = mixed(n) % 10_000_000;
        format!("{time} INFO RequestId: {id} price pair={pair} amount={}.{:02}", cents / 100, cents % 100)
    }
}
