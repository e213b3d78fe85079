//! Blocking requests, for connections that are being set up.

use crate::cql::*;
use std::io::Read;
use std::io::Write;

/// An answer: opcode, header flags, body.
pub struct Answer {
    pub opcode: u8,
    pub flags: u8,
    pub body: Vec<u8>,
}

/// Sends one request on stream 0 and waits for its answer; an ERROR is an `Err`.
pub fn ask(
    socket: &mut (impl Read + Write),
    opcode: u8,
    put_body: impl FnOnce(&mut Vec<u8>),
) -> Result<Answer, String> {
    let mut out = vec![];
    let at = begin_frame(&mut out, 4, 0, 0, opcode);
    put_body(&mut out);
    end_frame(&mut out, at);
    socket.write_all(&out).and_then(|()| socket.flush()).map_err(|e| e.to_string())?;
    let mut header = [0u8; HDR];
    socket.read_exact(&mut header).map_err(|e| e.to_string())?;
    let h = parse_header(&header);
    if h.len > MAX_FRAME {
        return Err(format!("a frame of {} bytes", h.len));
    }
    let mut body = vec![0u8; h.len];
    socket.read_exact(&mut body).map_err(|e| e.to_string())?;
    if h.opcode == op::ERROR {
        let mut c = Cur::new(&body);
        let (code, text) = (c.i32().unwrap_or(0), c.string().unwrap_or(""));
        return Err(format!("ERROR 0x{code:04x} {text}"));
    }
    Ok(Answer { opcode: h.opcode, flags: h.flags, body })
}

/// STARTUP with these options beside the CQL version.
pub fn startup(socket: &mut (impl Read + Write), options: &[(&str, &str)]) -> Result<(), String> {
    let mut map = vec![("CQL_VERSION", "3.0.0")];
    map.extend(options);
    let answer = ask(socket, op::STARTUP, |o| put_string_map(o, &map))?;
    match answer.opcode {
        op::READY => Ok(()),
        other => Err(format!("STARTUP answered with opcode {other}")),
    }
}
