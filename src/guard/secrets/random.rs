//! Tells random characters from words. Pure.

/// Shannon entropy of the bytes, in bits each.
pub(super) fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let total = bytes.len() as f64;
    counts.iter().filter(|&&n| n > 0).map(|&n| f64::from(n) / total).map(|share| -share * share.log2()).sum()
}

/// Whether digits, capitals and small letters alternate as in no name: `a9DJT0ACYS8`, and not `sha256ForTests`.
pub(super) fn is_jumbled(bytes: &[u8]) -> bool {
    bytes.len() >= 10 && is_mixed(bytes) && changes(bytes) * 100 >= bytes.len() * 45
}

/// Whether there are digits, capitals and small letters.
pub(super) fn is_mixed(bytes: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| bytes.iter().any(is);
    has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
}

/// Whether these are letters alone, and in an order that words and names do not have: many changes between small and
/// capital ones, or many consonants in a row.
pub(super) fn are_random_letters(bytes: &[u8]) -> bool {
    if !bytes.iter().all(u8::is_ascii_alphabetic) {
        return false;
    }
    let most = bytes.split(|b| b"aeiouy".contains(&b.to_ascii_lowercase())).map(<[u8]>::len).max().unwrap_or(0);
    let changes = changes(bytes);
    if changes == 0 { most >= 6 } else { most >= 4 && changes * 100 >= bytes.len() * 35 }
}

/// How often a byte is of another class than the one before.
fn changes(bytes: &[u8]) -> usize {
    let class = |b: u8| match b {
        b'0'..=b'9' => 0,
        b'A'..=b'Z' => 1,
        b'a'..=b'z' => 2,
        _ => 3,
    };
    bytes.windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count()
}
