//! `wasi:random`: the kernel's randomness, in bounded pieces. `insecure` is as secure.

use rustix::rand::{GetRandomFlags, getrandom};
use wasmtime::{Result, component::Linker};

use super::versioned;
use crate::{
    room::Room,
    stopped::{CALL_TOO_LARGE, Stopped},
};

/// Random bytes of one call.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

fn bytes(length: u64) -> Result<Vec<u8>> {
    if length > RANDOM_BYTES_MAX {
        let why =
            format!("the guest asked for {length} random bytes at once; the limit is {RANDOM_BYTES_MAX}");
        return Err(Stopped::new(CALL_TOO_LARGE, why).into());
    }
    let mut bytes = vec![0; length as usize];
    fill(&mut bytes)?;
    Ok(bytes)
}

fn fill(mut rest: &mut [u8]) -> Result<()> {
    while !rest.is_empty() {
        let filled = getrandom(&mut *rest, GetRandomFlags::empty())?;
        rest = &mut rest[filled..];
    }
    Ok(())
}

fn number() -> Result<u64> {
    let mut bytes = [0; 8];
    fill(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

pub(super) fn link(linker: &mut Linker<Room>) -> Result<()> {
    let mut random = linker.instance(&versioned("wasi:random/random"))?;
    random.func_wrap("get-random-bytes", |_, (length,): (u64,)| Ok((bytes(length)?,)))?;
    random.func_wrap("get-random-u64", |_, ()| Ok((number()?,)))?;
    let mut insecure = linker.instance(&versioned("wasi:random/insecure"))?;
    insecure.func_wrap("get-insecure-random-bytes", |_, (length,): (u64,)| Ok((bytes(length)?,)))?;
    insecure.func_wrap("get-insecure-random-u64", |_, ()| Ok((number()?,)))?;
    linker
        .instance(&versioned("wasi:random/insecure-seed"))?
        .func_wrap("insecure-seed", |_, ()| Ok(((number()?, number()?),)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_come_in_bounded_pieces() {
        assert_eq!(bytes(RANDOM_BYTES_MAX).unwrap().len(), 64 << 10);
        assert!(bytes(RANDOM_BYTES_MAX + 1).is_err());
        assert!(bytes(u64::MAX).is_err());
    }
}
