//! Bodies of events without a crate: JSON that the host has checked, base64url, and messages to sign.
#![allow(dead_code)]

use crate::trellis::json_text;

/// A value of JSON. A number keeps its digits: `whole` reads the whole ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Of a body or a value that was written as JSON: anything else traps.
    pub fn read(bytes: &[u8]) -> Json {
        Reader { bytes, at: 0 }.value()
    }

    /// A member that is there, and not null.
    pub fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
        .filter(|value| **value != Json::Null)
    }

    pub fn has(&self, name: &str) -> bool {
        matches!(self, Json::Object(members) if members.iter().any(|(key, _)| key == name))
    }

    /// Empty when it is no text.
    pub fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Json::Text(text)) => text,
            _ => "",
        }
    }

    /// None when it is no whole number.
    pub fn whole(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Json::Number(digits)) => digits.parse().ok(),
            _ => None,
        }
    }

    /// Empty when it is no list.
    pub fn list(&self, name: &str) -> &[Json] {
        match self.get(name) {
            Some(Json::List(items)) => items,
            _ => &[],
        }
    }

    pub fn write(&self) -> String {
        match self {
            Json::Null => "null".into(),
            Json::Bool(is) => if *is { "true" } else { "false" }.into(),
            Json::Number(digits) => digits.clone(),
            Json::Text(text) => json_text(text),
            Json::List(items) => format!("[{}]", items.iter().map(Json::write).collect::<Vec<_>>().join(",")),
            Json::Object(members) => {
                let written = members.iter().map(|(name, value)| format!("{}:{}", json_text(name), value.write()));
                format!("{{{}}}", written.collect::<Vec<_>>().join(","))
            }
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Json {
        match self.peek() {
            b'{' => Json::Object(self.members()),
            b'[' => Json::List(self.items()),
            b'"' => Json::Text(self.string()),
            b't' => self.word(4, Json::Bool(true)),
            b'f' => self.word(5, Json::Bool(false)),
            b'n' => self.word(4, Json::Null),
            _ => self.number(),
        }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> u8 {
        while matches!(self.bytes[self.at], b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.bytes[self.at]
    }

    fn take(&mut self) -> u8 {
        let byte = self.peek();
        self.at += 1;
        byte
    }

    fn word(&mut self, size: usize, value: Json) -> Json {
        self.at += size;
        value
    }

    fn members(&mut self) -> Vec<(String, Json)> {
        let mut members = Vec::new();
        self.take();
        while self.peek() != b'}' {
            self.peek();
            let name = self.string();
            self.take();
            members.push((name, self.value()));
            if self.peek() == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        members
    }

    fn items(&mut self) -> Vec<Json> {
        let mut items = Vec::new();
        self.take();
        while self.peek() != b']' {
            items.push(self.value());
            if self.peek() == b',' {
                self.at += 1;
            }
        }
        self.at += 1;
        items
    }

    fn number(&mut self) -> Json {
        let from = self.at;
        while self.at < self.bytes.len() && matches!(self.bytes[self.at], b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') {
            self.at += 1;
        }
        assert!(self.at > from, "no JSON");
        Json::Number(String::from_utf8_lossy(&self.bytes[from..self.at]).into_owned())
    }

    /// Half a surrogate pair becomes U+FFFD, as everywhere.
    fn string(&mut self) -> String {
        let mut units: Vec<u8> = Vec::new();
        self.at += 1;
        loop {
            let byte = self.bytes[self.at];
            self.at += 1;
            match byte {
                b'"' => return String::from_utf8_lossy(&units).into_owned(),
                b'\\' => {
                    let character = self.escaped();
                    units.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                other => units.push(other),
            }
        }
    }

    fn escaped(&mut self) -> char {
        let kind = self.bytes[self.at];
        self.at += 1;
        match kind {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => self.unicode(),
            other => other as char,
        }
    }

    fn unicode(&mut self) -> char {
        let first = self.hex();
        let is_pair = (0xd800..0xdc00).contains(&first) && self.bytes[self.at..].starts_with(b"\\u");
        if !is_pair {
            return char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER);
        }
        let before = self.at;
        self.at += 2;
        let second = self.hex();
        if (0xdc00..0xe000).contains(&second) {
            return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).unwrap();
        }
        self.at = before;
        char::REPLACEMENT_CHARACTER
    }

    fn hex(&mut self) -> u32 {
        let digits = &self.bytes[self.at..self.at + 4];
        self.at += 4;
        digits.iter().fold(0, |sum, digit| sum * 16 + (*digit as char).to_digit(16).unwrap())
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// RFC 4648 §5, without padding.
pub fn encode_base64url(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| *chunk.get(at).unwrap_or(&0) as usize;
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..chunk.len() + 1 {
            text.push(ALPHABET[word >> (18 - 6 * index) & 63] as char);
        }
    }
    text
}

/// None unless the text is what `encode_base64url` would write.
pub fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut word, mut bits) = (0_u32, 0);
    for character in text.bytes() {
        word = (word << 6 | ALPHABET.iter().position(|known| *known == character)? as u32) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((word >> bits) as u8);
        }
    }
    if encode_base64url(&bytes) == text { Some(bytes) } else { None }
}

/// A message to sign: each text or list of bytes after its length in four bytes, numbers in eight, big-endian.
pub struct Message(pub Vec<u8>);

impl Message {
    /// `domain` names the protocol: no other message of the key may begin like it.
    pub fn new(domain: &str) -> Self {
        Message(Vec::new()).part(domain.as_bytes())
    }

    pub fn part(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn number(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }
}
