//! Decimal numbers, exact as the warehouse gave them.
//!
//! In: decimal digits. Out: an object of Python's kind `Decimal`.
//! Never: rounds sums, differences and products that fit 38 digits; quotients have 28 digits.
//! Fails: where a number does not fit.
//! Source: Python's `decimal` with its default context.

use std::any::Any;
use std::cmp::Ordering;

use minijinja::Value;

use super::super::interp::Interp;
use super::super::problem::{Outcome, fail};
use super::super::syntax::Operator;
use super::{Args, Native, Python, View, native, view};

/// A number: `digits` × 10^-`scale`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Decimal {
    digits: i128,
    scale: u32,
}

impl Decimal {
    /// Out of text such as `-12.50` or `1.5e3`.
    pub(in super::super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (text, exponent) = match text.split_once(['e', 'E']) {
            Some((text, exponent)) => (text, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        if !part.bytes().all(|byte| byte.is_ascii_digit())
            || (whole.trim_matches(['-', '+']).is_empty() && part.is_empty())
        {
            return None;
        }
        let digits: i128 = format!("{whole}{part}").parse().ok()?;
        let scale = i32::try_from(part.len()).ok()? - exponent;
        if scale >= 0 {
            return Some(Self { digits, scale: u32::try_from(scale).ok()? });
        }
        let factor = 10_i128.checked_pow(u32::try_from(-scale).ok()?)?;
        Some(Self { digits: digits.checked_mul(factor)?, scale: 0 })
    }

    /// A value of it.
    pub(in super::super) fn value(self) -> Value {
        native(self)
    }

    /// Out of a number of any kind.
    pub(in super::super) fn of(value: &Value) -> Option<Self> {
        match view(value) {
            View::Int(digits) => Some(Self { digits, scale: 0 }),
            View::Bool(flag) => Some(Self { digits: i128::from(flag), scale: 0 }),
            View::Native(native) => native.get::<Self>().copied(),
            _ => None,
        }
    }

    /// As a float.
    pub(in super::super) fn float(self) -> f64 {
        self.to_text().parse().unwrap_or(f64::NAN)
    }

    /// The whole part.
    pub(in super::super) fn whole(self) -> i128 {
        10_i128.checked_pow(self.scale).map_or(0, |factor| self.digits / factor)
    }

    fn to_text(self) -> String {
        let negative = self.digits < 0;
        let mut digits = self.digits.unsigned_abs().to_string();
        let scale = usize::try_from(self.scale).unwrap_or(0);
        if scale > 0 {
            if digits.len() <= scale {
                digits = format!("{}{digits}", "0".repeat(scale + 1 - digits.len()));
            }
            digits.insert(digits.len() - scale, '.');
        }
        if negative { format!("-{digits}") } else { digits }
    }

    fn at_scale(self, scale: u32) -> Option<i128> {
        self.digits.checked_mul(10_i128.checked_pow(scale - self.scale)?)
    }

    fn aligned(self, other: Self) -> Option<(i128, i128, u32)> {
        let scale = self.scale.max(other.scale);
        Some((self.at_scale(scale)?, other.at_scale(scale)?, scale))
    }

    /// The result of an operator, if it fits.
    pub(in super::super) fn operate(self, operator: Operator, other: Self) -> Option<Self> {
        let (a, b, scale) = self.aligned(other)?;
        Some(match operator {
            Operator::Add => Self { digits: a.checked_add(b)?, scale },
            Operator::Subtract => Self { digits: a.checked_sub(b)?, scale },
            Operator::Multiply => {
                Self { digits: self.digits.checked_mul(other.digits)?, scale: self.scale + other.scale }
            }
            Operator::FloorDivide => Self { digits: a.checked_div(b)?, scale: 0 },
            Operator::Modulo => Self { digits: a.checked_rem(b)?, scale },
            Operator::Divide => {
                let mut digits = a.checked_div(b)?;
                let mut rest = a.checked_rem(b)?;
                let mut scale = 0;
                while rest != 0 && digits.unsigned_abs() < 10_u128.pow(27) && scale < 30 {
                    let next = rest.checked_mul(10)?;
                    digits = digits * 10 + next / b;
                    rest = next % b;
                    scale += 1;
                }
                Self { digits, scale }
            }
            Operator::Power => {
                let times = u32::try_from(other.whole()).ok()?;
                Self { digits: self.digits.checked_pow(times)?, scale: self.scale.checked_mul(times)? }
            }
        })
    }

    /// Rounded to places behind the point, half to even.
    pub(in super::super) fn rounded(self, places: u32) -> Self {
        if self.scale <= places {
            return Self { digits: self.at_scale(places).unwrap_or(self.digits), scale: places };
        }
        let factor = 10_i128.pow((self.scale - places).min(38));
        let (whole, rest) = (self.digits / factor, (self.digits % factor).abs());
        let up = rest * 2 > factor || (rest * 2 == factor && whole % 2 != 0);
        let step = if self.digits < 0 { -1 } else { 1 };
        Self { digits: if up { whole + step } else { whole }, scale: places }
    }
}

impl Python for Decimal {
    fn type_name(&self) -> &'static str {
        "Decimal"
    }

    fn truthy(&self) -> bool {
        self.digits != 0
    }

    fn text(&self) -> String {
        self.to_text()
    }

    fn repr(&self) -> String {
        format!("Decimal('{}')", self.to_text())
    }

    fn order(&self, other: &Value) -> Option<Ordering> {
        if let View::Float(other) = view(other) {
            return self.float().partial_cmp(&other);
        }
        let (a, b, _) = self.aligned(Self::of(other)?)?;
        Some(a.cmp(&b))
    }

    fn negative(&self) -> Option<Value> {
        Some(Self { digits: self.digits.checked_neg()?, ..*self }.value())
    }

    fn operate(&self, operator: Operator, other: &Value, reflected: bool) -> Option<Outcome<Value>> {
        let other = Self::of(other)?;
        let (a, b) = if reflected { (other, *self) } else { (*self, other) };
        let divides = matches!(operator, Operator::Divide | Operator::FloorDivide | Operator::Modulo);
        if divides && b.digits == 0 {
            return Some(fail("division by zero"));
        }
        Some(match a.operate(operator, b) {
            Some(result) => Ok(result.value()),
            None => fail(format!("the result of `{}` does not fit a decimal number", operator.as_str())),
        })
    }

    fn method(&self, _: &Interp<'_>, name: &str, args: &mut Args) -> Option<Outcome<Value>> {
        Some(match name {
            "normalize" => {
                let mut number = *self;
                while number.scale > 0 && number.digits % 10 == 0 {
                    number = Self { digits: number.digits / 10, scale: number.scale - 1 };
                }
                Ok(number.value())
            }
            "quantize" => args.need("quantize", "exp").and_then(|other| match Self::of(&other) {
                Some(other) => Ok(self.rounded(other.scale).value()),
                None => fail("quantize() needs a Decimal"),
            }),
            "to_integral_value" => Ok(self.rounded(0).value()),
            "is_integer" => Ok(Value::from(self.rounded(0).order(&self.value()) == Some(Ordering::Equal))),
            _ => return None,
        })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Native {
    /// The number, if it is one.
    pub(in super::super) fn decimal(&self) -> Option<Decimal> {
        self.get::<Decimal>().copied()
    }
}
