//! `numeric` as the wire has it: digits to the base of 10,000, a weight, a sign and a scale.
//!
//! In: bytes of the server, or decimals and text of a load. Out: decimals without their point, or
//! bytes for the server.
//! Never: rounds. Fails: with nothing, where the value is none that fits.
//! Source: PostgreSQL, `numeric_send` and `numeric_recv`.

use arrow_buffer::i256;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;

const TENS: [u64; 20] = {
    let mut tens = [1; 20];
    let mut n = 1;
    while n < 20 {
        tens[n] = tens[n - 1] * 10;
        n += 1;
    }
    tens
};

/// The parts of a value.
struct Parts<'a> {
    digits: &'a [u8],
    /// Place of the first digit: 0 is that of the ones.
    weight: i32,
    negative: bool,
}

fn parts(bytes: &[u8]) -> Option<Parts<'_>> {
    let (&[a, b, c, d, e, f, _, _], digits) = bytes.split_first_chunk::<8>()?;
    let count = usize::from(u16::from_be_bytes([a, b]));
    let sign = u16::from_be_bytes([e, f]);
    if digits.len() != count * 2 || (sign != 0 && sign != NEGATIVE) {
        return None;
    }
    let weight = i32::from(i16::from_be_bytes([c, d]));
    Some(Parts { digits, weight, negative: sign == NEGATIVE })
}

/// Whether it is `NaN` or an infinity, which no decimal is.
pub(super) fn is_special(bytes: &[u8]) -> bool {
    matches!(bytes.get(4..6), Some([high, _]) if u16::from(*high) << 8 >= NAN)
}

/// The value times ten to the power of `scale`, none where it is not whole then or too large.
#[inline]
pub(super) fn to_i128(bytes: &[u8], scale: u8) -> Option<i128> {
    let Parts { digits, weight, negative } = parts(bytes)?;
    let count = i32::try_from(digits.len() / 2).ok()?;
    // Power of ten behind the last digit, once the point has moved.
    let shift = 4 * (weight + 1 - count) + i32::from(scale);
    let value = if count <= 4 && (-3..=3).contains(&shift) {
        // Sixteen decimal digits and three more fit.
        let small = fold_small(digits)?;
        i128::from(shifted_small(small, shift)?)
    } else {
        match fold(digits).and_then(|value| shifted(value, shift)) {
            Some(value) => value,
            // The zeros behind the last digit of a group of four may be what does not fit.
            None => return to_i256(bytes, scale)?.to_i128(),
        }
    };
    Some(if negative { -value } else { value })
}

#[inline]
fn digit(pair: &[u8]) -> Option<u16> {
    let digit = u16::from_be_bytes([pair[0], pair[1]]);
    (digit < 10_000).then_some(digit)
}

#[inline]
fn fold_small(digits: &[u8]) -> Option<u64> {
    digits.chunks_exact(2).try_fold(0_u64, |value, pair| Some(value * 10_000 + u64::from(digit(pair)?)))
}

#[inline]
fn shifted_small(value: u64, shift: i32) -> Option<i64> {
    let power = TENS[shift.unsigned_abs() as usize];
    let shifted = if shift >= 0 {
        value * power
    } else if value.is_multiple_of(power) {
        value / power
    } else {
        return None;
    };
    i64::try_from(shifted).ok()
}

fn fold(digits: &[u8]) -> Option<i128> {
    digits
        .chunks_exact(2)
        .try_fold(0_i128, |value, pair| value.checked_mul(10_000)?.checked_add(i128::from(digit(pair)?)))
}

fn shifted(value: i128, shift: i32) -> Option<i128> {
    if value == 0 {
        return Some(0);
    }
    let power = 10_i128.checked_pow(shift.unsigned_abs());
    match (shift >= 0, power) {
        (true, power) => value.checked_mul(power?),
        (false, Some(power)) if value % power == 0 => Some(value / power),
        (false, _) => None,
    }
}

/// The same for more digits.
pub(super) fn to_i256(bytes: &[u8], scale: u8) -> Option<i256> {
    let Parts { digits, weight, negative } = parts(bytes)?;
    let count = i32::try_from(digits.len() / 2).ok()?;
    let shift = 4 * (weight + 1 - count) + i32::from(scale);
    let mut groups = digits.chunks_exact(2);
    let mut value = i256::ZERO;
    let add = |value: i256, power: u64, digit: u64| {
        value.checked_mul(i256::from_i128(power.into()))?.checked_add(i256::from_i128(digit.into()))
    };
    // Of the last group only the digits before the point's new place are taken: the zeros behind
    // them may be what does not fit.
    let last = if shift < 0 { groups.next_back() } else { None };
    for pair in groups {
        value = add(value, 10_000, digit(pair)?.into())?;
    }
    if let Some(last) = last {
        let last = u64::from(digit(last)?);
        let cut = TENS[shift.unsigned_abs().min(4) as usize];
        if shift < -4 || last % cut != 0 {
            return None;
        }
        value = add(value, 10_000 / cut, last / cut)?;
    } else if shift > 0 && value != i256::ZERO {
        value = value.checked_mul(i256::from_i128(10).checked_pow(shift.unsigned_abs())?)?;
    }
    if negative { value.checked_neg() } else { Some(value) }
}

/// Appends the wire's form of a decimal without its point; false where it is too large for that.
pub(super) fn write_i128(value: i128, scale: u8, out: &mut Vec<u8>) -> bool {
    // Whole groups of four behind the point.
    let pad = (4 - scale % 4) % 4;
    let Some(mut rest) = value.unsigned_abs().checked_mul(u128::from(TENS[usize::from(pad)])) else {
        return false;
    };
    let mut groups = [0_u16; 10];
    let mut first = groups.len();
    while rest > 0 {
        first -= 1;
        // The remainder of 10,000 fits; most values need no division of 128 bits.
        #[allow(clippy::cast_possible_truncation, reason = "checked, or a remainder of 10,000")]
        if let Ok(small) = u64::try_from(rest) {
            groups[first] = (small % 10_000) as u16;
            rest = u128::from(small / 10_000);
        } else {
            groups[first] = (rest % 10_000) as u16;
            rest /= 10_000;
        }
    }
    let behind = i16::from(scale.div_ceil(4));
    let digits = &groups[first..];
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "at most ten groups")]
    let weight = if digits.is_empty() { 0 } else { digits.len() as i16 - behind - 1 };
    let zeros = digits.iter().rev().take_while(|group| **group == 0).count();
    let digits = &digits[..digits.len() - zeros];
    #[allow(clippy::cast_possible_truncation, reason = "at most ten groups")]
    let count = digits.len() as u16;
    let sign = if value < 0 { NEGATIVE } else { 0 };
    for part in [count, weight.cast_unsigned(), sign, u16::from(scale)] {
        out.extend_from_slice(&part.to_be_bytes());
    }
    for group in digits {
        out.extend_from_slice(&group.to_be_bytes());
    }
    true
}

/// Appends the wire's form of a plain decimal text such as `-12.50`; false where it is none.
pub(super) fn write_text(text: &str, out: &mut Vec<u8>) -> bool {
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let point = digits.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &[][..]),
    };
    let is_number = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let short = whole.len() <= 131_072 && fraction.len() <= 16_383;
    if whole.len() + fraction.len() == 0 || !is_number(whole) || !is_number(fraction) || !short {
        return false;
    }
    let (Ok(before), Ok(after)) = (i32::try_from(whole.len()), i32::try_from(fraction.len())) else {
        return false;
    };
    // Groups of four, counted from the point.
    let at = |place: i32| -> u16 {
        let index = before - 1 - place;
        let byte = if index < 0 {
            None
        } else if index < before {
            whole.get(index.unsigned_abs() as usize)
        } else {
            fraction.get((index - before).unsigned_abs() as usize)
        };
        byte.map_or(0, |byte| u16::from(byte - b'0'))
    };
    let first = (before + 3) / 4 - 1;
    let last = -((after + 3) / 4);
    let mut groups: Vec<u16> = (last..=first)
        .rev()
        .map(|group| {
            let low = group * 4;
            at(low + 3) * 1000 + at(low + 2) * 100 + at(low + 1) * 10 + at(low)
        })
        .collect();
    let mut weight = first;
    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    weight -= i32::try_from(leading).unwrap_or(0);
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    let sign = if negative && !groups.is_empty() { NEGATIVE } else { 0 };
    let (Ok(count), Ok(weight), Ok(scale)) =
        (u16::try_from(groups.len()), i16::try_from(weight), u16::try_from(after))
    else {
        return false;
    };
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
    for group in groups {
        out.extend_from_slice(&group.to_be_bytes());
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wire(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(write_text(text, &mut out), "{text}");
        out
    }

    #[test]
    fn decimals_are_exact_or_nothing() {
        assert_eq!(to_i128(&wire("12.50"), 2), Some(1250));
        assert_eq!(to_i128(&wire("-0.0001"), 4), Some(-1));
        assert_eq!(to_i128(&wire("0"), 3), Some(0));
        assert_eq!(to_i128(&wire("1.005"), 2), None, "a digit would be lost");
        assert_eq!(to_i128(&wire(&"9".repeat(38)), 0), Some(10_i128.pow(38) - 1));
        assert_eq!(to_i128(&wire(&"9".repeat(40)), 0), None);
        let wide = to_i256(&wire(&format!("-{}.5", "9".repeat(75))), 1).unwrap();
        assert_eq!(wide.to_string(), format!("-{}5", "9".repeat(75)));
        for text in ["", ".", "-", "1e5", "NaN", "1.2.3", " 1"] {
            assert!(!write_text(text, &mut Vec::new()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_decimal_reads_back(value in -10_i128.pow(37)..10_i128.pow(37), scale in 0_u8..38) {
            let digits = format!("{:0>width$}", value.unsigned_abs(), width = usize::from(scale) + 1);
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
            let sign = if value < 0 { "-" } else { "" };
            let bytes = wire(&format!("{sign}{whole}.{fraction}"));
            prop_assert_eq!(to_i128(&bytes, scale), Some(value));
            prop_assert_eq!(to_i256(&bytes, scale), Some(i256::from_i128(value)));
            let mut direct = Vec::new();
            if write_i128(value, scale, &mut direct) {
                prop_assert_eq!(direct, wire(&format!("{sign}{whole}{}{fraction}", if scale > 0 { "." } else { "" })));
            }
        }

        #[test]
        fn any_bytes_give_a_decimal_or_none(bytes: Vec<u8>, scale in 0_u8..76) {
            let _ = (to_i128(&bytes, scale), to_i256(&bytes, scale), is_special(&bytes));
        }
    }
}
