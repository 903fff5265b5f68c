//! Reads the fields of one packet. Every byte comes from the server and may be anything.

use super::wire::Broken;

/// What is left of a packet.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// So many bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Broken::Protocol("a packet is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Broken::Protocol("a packet is cut off"))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Broken> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Broken> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Broken> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Broken> {
        self.array().map(u64::from_le_bytes)
    }

    /// A whole number of one to nine bytes.
    pub(super) fn number(&mut self) -> Result<u64, Broken> {
        match self.u8()? {
            0xfc => self.u16().map(u64::from),
            0xfd => self.array().map(|[a, b, c]| u64::from(u32::from_le_bytes([a, b, c, 0]))),
            0xfe => self.u64(),
            0xfb | 0xff => Err(Broken::Protocol("a number is none")),
            small => Ok(small.into()),
        }
    }

    /// Bytes behind their number.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Broken> {
        let length = self.number()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// The same, or NULL: a value of a text row.
    pub(super) fn value(&mut self) -> Result<Option<&'a [u8]>, Broken> {
        if self.0.first() == Some(&0xfb) {
            self.0 = &self.0[1..];
            return Ok(None);
        }
        self.bytes().map(Some)
    }

    /// Bytes up to a NUL, or all of them.
    pub(super) fn until_nul(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let taken = &self.0[..end.unwrap_or(self.0.len())];
        self.0 = end.map_or(&[], |end| &self.0[end + 1..]);
        taken
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// How a statement ended well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Rows it changed.
    pub(super) rows: u64,
    /// What the server says of the session: see `IN_TRANSACTION` and its kin.
    pub(super) status: u16,
}

/// A transaction is open.
pub(super) const IN_TRANSACTION: u16 = 1;
/// Another result follows this one.
pub(super) const MORE_RESULTS: u16 = 8;

impl Done {
    /// An OK packet, or the one that ends rows, without its first byte.
    pub(super) fn read(packet: &[u8]) -> Result<Self, Broken> {
        let mut fields = Fields(packet);
        let rows = fields.number()?;
        fields.number()?;
        Ok(Self { rows, status: fields.u16()? })
    }

    /// An EOF packet, as servers send them that know no other end of rows, without its first byte.
    pub(super) fn read_end(packet: &[u8]) -> Result<Self, Broken> {
        let mut fields = Fields(packet);
        fields.u16()?;
        Ok(Self { rows: 0, status: fields.u16()? })
    }
}

/// What the server says against a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerError {
    /// Its number, e.g. 1064.
    pub(super) code: u16,
    /// Its words; they may hold values of rows, and the user's host.
    pub(super) message: String,
}

impl ServerError {
    /// An ERR packet without its first byte.
    pub(super) fn read(packet: &[u8]) -> Result<Self, Broken> {
        let mut fields = Fields(packet);
        let code = fields.u16()?;
        if fields.0.first() == Some(&b'#') {
            fields.take(6)?;
        }
        Ok(Self { code, message: String::from_utf8_lossy(fields.0).into_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_every_width() {
        for (bytes, expected) in [
            (&[250][..], Some(250)),
            (&[0xfc, 1, 2], Some(513)),
            (&[0xfd, 1, 2, 3], Some(197_121)),
            (&[0xfe, 255, 255, 255, 255, 255, 255, 255, 255], Some(u64::MAX)),
            (&[0xfb], None),
            (&[0xff], None),
            (&[0xfe, 1], None),
            (&[], None),
        ] {
            assert_eq!(Fields(bytes).number().ok(), expected, "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_an_answer_or_an_error(bytes: Vec<u8>) {
            let _ = (Done::read(&bytes), Done::read_end(&bytes), ServerError::read(&bytes));
            let mut fields = Fields(&bytes);
            while !fields.is_empty() && fields.value().is_ok() {}
        }
    }
}
