//! The shortest WebSocket client (RFC 6455) that can speak with `@zwave-js/server`: text frames, no extensions. The same kind of
//! client as for hubd's HTTP, so that what is measured is the server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A connection. Masking protects proxies, not us: the mask is zero.
#[derive(Debug)]
pub(crate) struct WebSocket(TcpStream);

impl WebSocket {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens, or not to this.
    pub(crate) fn connect(port: u16) -> Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        let key = "AAAAAAAAAAAAAAAAAAAAAA==";
        write!(
            stream,
            "GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-key: {key}\r\nsec-websocket-version: 13\r\n\r\n"
        )?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend_from_slice(&byte);
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            bail!("no WebSocket: {}", String::from_utf8_lossy(&head));
        }
        Ok(Self(stream))
    }

    /// A second handle, to read while another writes.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn try_clone(&self) -> Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Ends the connection, also for its other handles.
    pub(crate) fn close(&self) {
        // The server may have ended it already.
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }

    /// Sends one JSON message.
    ///
    /// # Errors
    /// When the connection fails.
    pub(crate) fn send(&mut self, message: &Value) -> Result<()> {
        let text = message.to_string();
        let length = u16::try_from(text.len()).context("a message is short")?;
        let mut frame = vec![0x81];
        match u8::try_from(length) {
            Ok(short) if short < 0x7e => frame.push(0x80 | short),
            _ => {
                frame.push(0x80 | 0x7e);
                frame.extend_from_slice(&length.to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        Ok(self.0.write_all(&frame)?)
    }

    /// The next JSON message.
    ///
    /// # Errors
    /// When the connection ends.
    pub(crate) fn receive(&mut self) -> Result<Value> {
        let mut text = Vec::new();
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head)?;
            let [flags, length] = head;
            let length = match length & 0x7f {
                126 => {
                    let mut bytes = [0; 2];
                    self.0.read_exact(&mut bytes)?;
                    u64::from(u16::from_be_bytes(bytes))
                }
                127 => {
                    let mut bytes = [0; 8];
                    self.0.read_exact(&mut bytes)?;
                    u64::from_be_bytes(bytes)
                }
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length)?];
            self.0.read_exact(&mut payload)?;
            match flags & 0x0f {
                0x00 | 0x01 => text.extend_from_slice(&payload),
                0x08 => bail!("the server closed the connection"),
                _ => continue,
            }
            if flags & 0x80 != 0 {
                return Ok(serde_json::from_slice(&text)?);
            }
        }
    }
}
