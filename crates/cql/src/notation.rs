//! The notations of the specification (v4 section 3): read as views, written into a `Vec`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::WireError;

/// A bound value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value<'a> {
    /// Length -1.
    Null,
    /// Length -2: keep what is stored.
    Unset,
    /// The serialized value, possibly empty.
    Bytes(&'a [u8]),
}

/// Reads notations from the front of a body.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `body`.
    #[must_use]
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// What has not been read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `len` bytes.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let Some((head, rest)) = self.rest.split_at_checked(len) else {
            return Err(WireError::Truncated { expected: len, left: self.rest.len() });
        };
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(WireError::Truncated { expected: N, left: self.rest.len() });
        };
        self.rest = rest;
        Ok(*head)
    }

    /// One byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, WireError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// `short`: u16.
    #[inline]
    pub fn short(&mut self) -> Result<u16, WireError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// `int`: i32.
    #[inline]
    pub fn int(&mut self) -> Result<i32, WireError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// `long`: i64.
    pub fn long(&mut self) -> Result<i64, WireError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// `uuid`: 16 bytes.
    pub fn uuid(&mut self) -> Result<[u8; 16], WireError> {
        self.array()
    }

    /// `string`: short length, UTF-8.
    pub fn string(&mut self) -> Result<&'a str, WireError> {
        let bytes = self.short_bytes()?;
        std::str::from_utf8(bytes).map_err(|_| WireError::Utf8)
    }

    /// `long string`: int length, UTF-8.
    pub fn long_string(&mut self) -> Result<&'a str, WireError> {
        let len = self.int()?;
        let len = usize::try_from(len).map_err(|_| WireError::Length(len))?;
        std::str::from_utf8(self.take(len)?).map_err(|_| WireError::Utf8)
    }

    /// `short bytes`: short length, data.
    #[inline]
    pub fn short_bytes(&mut self) -> Result<&'a [u8], WireError> {
        let len = self.short()?;
        self.take(usize::from(len))
    }

    /// `bytes`: int length, data; `None` when the length is negative.
    #[inline]
    pub fn bytes(&mut self) -> Result<Option<&'a [u8]>, WireError> {
        match usize::try_from(self.int()?) {
            Ok(len) => self.take(len).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// `value` of protocol v4; on v3 every negative length is null, which the caller decides.
    #[inline]
    pub fn value(&mut self) -> Result<Value<'a>, WireError> {
        match self.int()? {
            -1 => Ok(Value::Null),
            -2 => Ok(Value::Unset),
            len => match usize::try_from(len) {
                Ok(len) => self.take(len).map(Value::Bytes),
                Err(_) => Err(WireError::ValueLength(len)),
            },
        }
    }

    /// `inet`: size, address, int port.
    pub fn inet(&mut self) -> Result<(IpAddr, i32), WireError> {
        let address = match self.byte()? {
            4 => IpAddr::V4(Ipv4Addr::from(self.array::<4>()?)),
            16 => IpAddr::V6(Ipv6Addr::from(self.array::<16>()?)),
            size => return Err(WireError::Length(i32::from(size))),
        };
        Ok((address, self.int()?))
    }

    /// `string list`.
    pub fn string_list(&mut self) -> Result<Vec<&'a str>, WireError> {
        let count = self.short()?;
        (0..count).map(|_| self.string()).collect()
    }

    /// `string map`, in the order sent.
    pub fn string_map(&mut self) -> Result<Vec<(&'a str, &'a str)>, WireError> {
        let count = self.short()?;
        (0..count).map(|_| Ok((self.string()?, self.string()?))).collect()
    }

    /// `string multimap`, in the order sent.
    pub fn string_multimap(&mut self) -> Result<Vec<(&'a str, Vec<&'a str>)>, WireError> {
        let count = self.short()?;
        (0..count).map(|_| Ok((self.string()?, self.string_list()?))).collect()
    }
}

/// Appends a `short`.
pub fn put_short(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends an `int`.
pub fn put_int(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a `long`.
pub fn put_long(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a `string`; the part past 65,535 bytes is cut at a character's border.
pub fn put_string(out: &mut Vec<u8>, text: &str) {
    let end = text.floor_char_boundary(usize::from(u16::MAX));
    put_short_bytes(out, text.get(..end).unwrap_or_default().as_bytes());
}

/// Appends a `long string`.
pub fn put_long_string(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, Some(text.as_bytes()));
}

/// Appends `short bytes`; the part past 65,535 bytes is cut.
pub fn put_short_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    put_short(out, len);
    out.extend_from_slice(bytes.get(..usize::from(len)).unwrap_or_default());
}

/// Appends `bytes`; null when `None`.
pub fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_int(out, i32::try_from(bytes.len()).unwrap_or(i32::MAX));
            out.extend_from_slice(bytes);
        }
        None => put_int(out, -1),
    }
}

/// Appends an `inet`.
pub fn put_inet(out: &mut Vec<u8>, address: IpAddr, port: i32) {
    match address {
        IpAddr::V4(v4) => {
            out.push(4);
            out.extend_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            out.push(16);
            out.extend_from_slice(&v6.octets());
        }
    }
    put_int(out, port);
}

/// Appends a `string list`.
pub fn put_string_list(out: &mut Vec<u8>, list: &[&str]) {
    put_short(out, u16::try_from(list.len()).unwrap_or(u16::MAX));
    for text in list.iter().take(usize::from(u16::MAX)) {
        put_string(out, text);
    }
}

/// Appends a `string map`.
pub fn put_string_map(out: &mut Vec<u8>, map: &[(&str, &str)]) {
    put_short(out, u16::try_from(map.len()).unwrap_or(u16::MAX));
    for (key, value) in map.iter().take(usize::from(u16::MAX)) {
        put_string(out, key);
        put_string(out, value);
    }
}

/// Appends a `string multimap`.
pub(crate) fn put_string_multimap<S: AsRef<str>>(out: &mut Vec<u8>, map: &[(&str, Vec<S>)]) {
    put_short(out, u16::try_from(map.len()).unwrap_or(u16::MAX));
    for (key, values) in map.iter().take(usize::from(u16::MAX)) {
        put_string(out, key);
        let values: Vec<_> = values.iter().map(AsRef::as_ref).collect();
        put_string_list(out, &values);
    }
}
