//! The handler's world for Rust: the host functions of a Trellis host over the kernel of Extism, without a PDK. What is
//! not called is not imported, and a host lets in no import that the manifest does not need. The functions are those of
//! the kit for components: a handler is built for either.
#![allow(dead_code)]

#[path = "body.rs"]
mod body;

use body::{decode_base64url, encode_base64url, Json};

/// How an event ended well.
pub enum Ended {
    /// The reply, as JSON. The host checks it against the manifest's schema.
    Reply(String),
    /// Done, and there is nothing to say beyond that.
    Accepted,
    /// The owner is to be asked first: writes of this call are dropped, and the request is handled anew with the answer
    /// in `approval`.
    Suspended(Question),
}

/// A question to the owner about this very request.
pub struct Question {
    /// At most 512 bytes.
    pub text: String,
    /// What may be answered besides no, at most 8; none for a plain yes or no.
    pub choices: Vec<String>,
}

/// The handler's own no. Writes of the event are dropped.
pub struct Refusal {
    /// Kebab-case, at most 64 bytes.
    pub code: String,
    /// For the asker to read: at most 256 bytes, and no personal data.
    pub message: String,
    /// Whether the same request may succeed later.
    pub retry: bool,
}

impl Refusal {
    pub fn new(code: &str, message: &str) -> Self {
        Refusal { code: code.into(), message: message.into(), retry: false }
    }
}

/// Exports the handler: `trellis::handler!(handle);` for a `fn handle(body: &[u8]) -> Result<Ended, Refusal>`. `body` is
/// JSON in UTF-8, checked against the manifest's request schema.
#[macro_export]
macro_rules! __handler {
    ($handle:path) => {
        #[export_name = "handle"]
        extern "C" fn exported() -> i32 {
            $crate::trellis::give($handle(&$crate::trellis::input()))
        }
    };
}
pub use __handler as handler;

/// A string as JSON, with its quotes.
pub fn json_text(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            control if control < ' ' => json.push_str(&format!("\\u{:04x}", control as u32)),
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

/// A host function's second kind of answer: not in the grant, or not there.
#[derive(Debug)]
pub struct Unavailable;

// -- the kernel: blocks of bytes that plug-in and host share, by their offset -----------------------------------------

#[link(wasm_import_module = "extism:host/env")]
extern "C" {
    fn alloc(size: u64) -> u64;
    fn free(at: u64);
    fn length(at: u64) -> u64;
    fn load_u8(at: u64) -> u32;
    fn load_u64(at: u64) -> u64;
    fn store_u8(at: u64, value: u32);
    fn store_u64(at: u64, value: u64);
    fn input_length() -> u64;
    fn input_load_u8(at: u64) -> u32;
    fn input_load_u64(at: u64) -> u64;
    fn output_set(at: u64, size: u64);
}

fn loaded(size: u64, one: impl Fn(u64) -> u32, eight: impl Fn(u64) -> u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size as usize);
    let words = size / 8 * 8;
    (0..words).step_by(8).for_each(|at| bytes.extend_from_slice(&eight(at).to_le_bytes()));
    (words..size).for_each(|at| bytes.push(one(at) as u8));
    bytes
}

/// Bytes as a new block.
fn block(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8);
    let rest = words.remainder();
    unsafe {
        let at = alloc(bytes.len() as u64);
        let end = at + (bytes.len() - rest.len()) as u64;
        for (index, word) in words.enumerate() {
            store_u64(at + 8 * index as u64, u64::from_le_bytes(word.try_into().unwrap()));
        }
        for (index, byte) in rest.iter().enumerate() {
            store_u8(end + index as u64, *byte as u32);
        }
        at
    }
}

/// The bytes of a block, which is given back.
fn taken(at: u64) -> Vec<u8> {
    unsafe {
        let bytes = loaded(length(at), |index| load_u8(at + index), |index| load_u64(at + index));
        free(at);
        bytes
    }
}

#[doc(hidden)]
pub fn input() -> Vec<u8> {
    unsafe { loaded(input_length(), |at| input_load_u8(at), |at| input_load_u64(at)) }
}

#[doc(hidden)]
pub fn give(result: Result<Ended, Refusal>) -> i32 {
    let output = match result {
        Ok(Ended::Reply(json)) => format!("{{\"reply\":{json}}}"),
        Ok(Ended::Accepted) => "{\"accepted\":true}".into(),
        Ok(Ended::Suspended(Question { text, choices })) => {
            format!("{{\"suspended\":{{\"text\":{},\"choices\":{}}}}}", json_text(&text), texts(&choices))
        }
        Err(Refusal { code, message, retry }) => {
            let (code, message) = (json_text(&code), json_text(&message));
            format!("{{\"refusal\":{{\"code\":{code},\"message\":{message},\"retry\":{retry}}}}}")
        }
    };
    unsafe { output_set(block(output.as_bytes()), output.len() as u64) };
    0
}

// -- requests and answers ---------------------------------------------------------------------------------------------

type HostFunction = unsafe extern "C" fn(u64) -> u64;

/// Members of a request that are written as JSON already.
type Members<'a> = [(&'a str, String)];

/// What is in `ok`, or in `err`. Anything else is a mistake that the event ends with.
fn ask(function: HostFunction, request: &Members) -> Result<Json, Json> {
    let texts: Vec<String> = request.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
    let answer = unsafe {
        let at = if texts.is_empty() { 0 } else { block(format!("{{{}}}", texts.join(",")).as_bytes()) };
        let answer = taken(function(at));
        if at != 0 {
            free(at);
        }
        answer
    };
    match Json::read(&answer) {
        Json::Object(mut members) => match members.pop() {
            Some((name, value)) if name == "ok" => Ok(value),
            Some((_, value)) => Err(value),
            None => panic!("the host says nothing"),
        },
        _ => panic!("the host says no object"),
    }
}

/// Of a function that has no error.
fn must(function: HostFunction, request: &Members) -> Json {
    ask(function, request).expect("the manifest needs it")
}

fn bytes_json(bytes: &[u8]) -> String {
    format!("\"{}\"", encode_base64url(bytes))
}

fn texts(list: &[impl AsRef<str>]) -> String {
    format!("[{}]", list.iter().map(|text| json_text(text.as_ref())).collect::<Vec<_>>().join(","))
}

fn text_of(json: Json) -> String {
    match json {
        Json::Text(text) => text,
        _ => String::new(),
    }
}

fn bytes_of(json: Json) -> Vec<u8> {
    decode_base64url(&text_of(json)).expect("the host writes base64url")
}

fn list_of(json: &Json) -> &[Json] {
    match json {
        Json::List(items) => items,
        _ => &[],
    }
}

fn number_of(json: &Json) -> u64 {
    match json {
        Json::Number(digits) => digits.parse().unwrap_or(0),
        _ => 0,
    }
}

fn member_number(json: &Json, name: &str) -> u64 {
    json.get(name).map_or(0, number_of)
}

// -- the interfaces ---------------------------------------------------------------------------------------------------

/// The personal fields this event was admitted for, and no others.
pub mod fields {
    use super::{ask, json_text, text_of};

    #[link(wasm_import_module = "extism:host/user")]
    extern "C" {
        fn trellis_fields_get(request: u64) -> u64;
    }

    /// None when it was not admitted, or the owner keeps no such field.
    pub fn get(name: &str) -> Option<String> {
        ask(trellis_fields_get, &[("name", json_text(name))]).ok().map(text_of)
    }
}

/// Namespaces of the grant. Writes are kept back until the event ends well.
pub mod store {
    use super::{ask, bytes_json, bytes_of, json_text, list_of, member_number, Json};

    #[link(wasm_import_module = "extism:host/user")]
    extern "C" {
        fn trellis_store_get(request: u64) -> u64;
        fn trellis_store_put(request: u64) -> u64;
        fn trellis_store_delete(request: u64) -> u64;
        fn trellis_store_scan(request: u64) -> u64;
    }

    #[derive(Debug, PartialEq)]
    pub enum Error {
        /// No such label in the grant, or no right to do this there.
        Unavailable,
        /// The revision is not the one expected: read again and retry.
        Conflict,
        /// The key or the value is over the limit, in bytes.
        TooLarge(u32),
        /// Nothing of this category may be kept here.
        WrongCategory,
        /// The contract's bytes are used up: so many are left.
        Full(u32),
    }

    /// A name, or an object with the name as its one key.
    fn error_of(said: Json) -> Error {
        match said {
            Json::Text(name) if name == "conflict" => Error::Conflict,
            Json::Text(name) if name == "wrong-category" => Error::WrongCategory,
            Json::Object(_) if said.has("full") => Error::Full(member_number(&said, "full") as u32),
            Json::Object(_) => Error::TooLarge(member_number(&said, "too-large") as u32),
            _ => Error::Unavailable,
        }
    }

    /// Whether the owner may see the value, or only that it is there.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum Visibility {
        Transparent,
        Opaque,
    }

    /// What it takes to see or use a value: what is critical needs the owner's second factor.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum Sensitivity {
        Data,
        Secret,
        Critical,
    }

    pub struct Attributes<'a> {
        pub visibility: Visibility,
        /// One of those the contract lists; none for the handler's own book-keeping.
        pub category: Option<&'a str>,
        /// At least this much: what is stricter already stays so.
        pub sensitivity: Option<Sensitivity>,
    }

    pub struct Item {
        pub key: String,
        pub value: Vec<u8>,
        /// Grows with every write of this key.
        pub revision: u64,
        pub visibility: Visibility,
        pub category: Option<String>,
    }

    impl Item {
        pub fn text(&self) -> String {
            String::from_utf8_lossy(&self.value).into_owned()
        }
    }

    pub struct Page {
        pub items: Vec<Item>,
        /// Pass it as `after` to read on; none at the end.
        pub next: Option<String>,
    }

    /// A namespace of the grant, by its label.
    pub struct Namespace(String);

    /// `connection` is the asker's own namespace, `handler` this handler's own for all connections. Whether it is to be
    /// had is told by its first use.
    pub fn open(label: &str) -> Result<Namespace, Error> {
        Ok(Namespace(json_text(label)))
    }

    fn read(json: &Json) -> Item {
        Item {
            key: json.text("key").into(),
            value: bytes_of(Json::Text(json.text("value").into())),
            revision: member_number(json, "revision"),
            visibility: if json.text("visibility") == "opaque" { Visibility::Opaque } else { Visibility::Transparent },
            category: json.get("category").map(|_| json.text("category").into()),
        }
    }

    impl Namespace {
        fn label(&self) -> (&'static str, String) {
            ("label", self.0.clone())
        }

        pub fn get(&self, key: &str) -> Result<Option<Item>, Error> {
            match ask(trellis_store_get, &[self.label(), ("key", json_text(key))]).map_err(error_of)? {
                Json::Null => Ok(None),
                found => Ok(Some(read(&found))),
            }
        }

        /// Compare-and-swap when `expected` is given (0: the key must be absent); else the last write wins.
        /// A key keeps the attributes it has; a new one is transparent and of no category.
        pub fn put(&self, key: &str, value: &[u8], expected: Option<u64>) -> Result<(), Error> {
            self.write(key, value, expected, None)
        }

        /// The same with attributes.
        pub fn put_as(&self, key: &str, value: &[u8], expected: Option<u64>, as_: Attributes) -> Result<(), Error> {
            self.write(key, value, expected, Some(as_))
        }

        fn write(&self, key: &str, value: &[u8], expected: Option<u64>, given: Option<Attributes>) -> Result<(), Error> {
            let mut request = vec![self.label(), ("key", json_text(key)), ("value", bytes_json(value))];
            if let Some(revision) = expected {
                request.push(("expected", revision.to_string()));
            }
            if let Some(Attributes { visibility, category, sensitivity }) = given {
                let named = category.map_or(String::new(), |name| format!(",\"category\":{}", json_text(name)));
                let seen = if visibility == Visibility::Opaque { "opaque" } else { "transparent" };
                let level = match sensitivity {
                    None => "",
                    Some(Sensitivity::Data) => ",\"sensitivity\":\"data\"",
                    Some(Sensitivity::Secret) => ",\"sensitivity\":\"secret\"",
                    Some(Sensitivity::Critical) => ",\"sensitivity\":\"critical\"",
                };
                request.push(("attributes", format!("{{\"visibility\":\"{seen}\"{named}{level}}}")));
            }
            ask(trellis_store_put, &request).map(|_| ()).map_err(error_of)
        }

        pub fn delete(&self, key: &str) -> Result<(), Error> {
            ask(trellis_store_delete, &[self.label(), ("key", json_text(key))]).map(|_| ()).map_err(error_of)
        }

        /// Keys that start with `prefix`, in byte order, strictly after `after`; at most `limit`, and at most 256.
        pub fn scan(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Page, Error> {
            let mut request = vec![self.label(), ("prefix", json_text(prefix)), ("limit", limit.to_string())];
            if let Some(key) = after {
                request.push(("after", json_text(key)));
            }
            let found = ask(trellis_store_scan, &request).map_err(error_of)?;
            let items = found.get("items").map_or(Vec::new(), |items| list_of(items).iter().map(read).collect());
            Ok(Page { items, next: found.get("next").map(|_| found.text("next").into()) })
        }
    }
}

/// Who asks, told by the host.
pub mod session {
    use super::{member_number, must, Json};

    #[link(wasm_import_module = "extism:host/user")]
    extern "C" {
        fn trellis_session(request: u64) -> u64;
    }

    pub struct Context {
        /// The owner's alias for the connection.
        pub connection: String,
        pub is_peer: bool,
        /// The vault's own owner asks: then `connection` is the label of the device.
        pub is_owner: bool,
        pub contract_version: u32,
        pub event_id: String,
        pub event_type: String,
        pub deadline_ms: u32,
        /// True when the owner approved this very request.
        pub approved: bool,
        /// Stays the same when the owner renames the connection.
        pub connection_id: String,
    }

    pub fn current() -> Context {
        let said = must(trellis_session, &[]);
        Context {
            connection: said.text("connection").into(),
            is_peer: said.text("kind") == "peer",
            is_owner: said.text("kind") == "owner",
            contract_version: member_number(&said, "contract_version") as u32,
            event_id: said.text("event_id").into(),
            event_type: said.text("event_type").into(),
            deadline_ms: member_number(&said, "deadline_ms") as u32,
            approved: said.get("approved") == Some(&Json::Bool(true)),
            connection_id: said.text("connection_id").into(),
        }
    }
}

/// Keys of the grant, by alias. The secret stays with the host.
pub mod keys {
    use super::{ask, bytes_json, bytes_of, json_text, text_of};

    #[link(wasm_import_module = "extism:host/user")]
    extern "C" {
        fn trellis_keys_algorithm(request: u64) -> u64;
        fn trellis_keys_public(request: u64) -> u64;
        fn trellis_keys_sign(request: u64) -> u64;
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Algorithm {
        Ed25519,
        EcdsaSecp256k1,
        Bip340,
    }

    pub fn algorithm_of(alias: &str) -> Option<Algorithm> {
        let name = ask(trellis_keys_algorithm, &[("alias", json_text(alias))]).ok().map(text_of)?;
        Some(match name.as_str() {
            "ed25519" => Algorithm::Ed25519,
            "ecdsa-secp256k1" => Algorithm::EcdsaSecp256k1,
            _ => Algorithm::Bip340,
        })
    }

    /// The raw public key: 33 bytes of ECDSA, else 32.
    pub fn public_key(alias: &str) -> Option<Vec<u8>> {
        ask(trellis_keys_public, &[("alias", json_text(alias))]).ok().map(bytes_of)
    }

    /// 64 bytes; none also when the key does not sign messages of this size (32 bytes but for Ed25519).
    pub fn sign(alias: &str, message: &[u8]) -> Option<Vec<u8>> {
        let request = [("alias", json_text(alias)), ("message", bytes_json(message))];
        ask(trellis_keys_sign, &request).ok().map(bytes_of)
    }
}

/// The owner's credentials: what they are, and proofs of their claims.
pub mod credentials {
    use super::{ask, bytes_json, bytes_of, json_text, list_of, must, number_of, text_of, texts, Json};

    /// What may be known of a credential: never the value of a claim.
    pub struct Credential {
        pub alias: String,
        pub kind: String,
        pub issuer: String,
        pub label: String,
        /// Those this event was admitted for.
        pub claims: Vec<String>,
        /// Milliseconds since the epoch.
        pub expires: Option<u64>,
    }

    #[link(wasm_import_module = "extism:host/user")]
    extern "C" {
        fn trellis_credentials_list(request: u64) -> u64;
        fn trellis_credentials_prove(request: u64) -> u64;
    }

    /// The credentials that have a claim this event was admitted for.
    pub fn list() -> Vec<Credential> {
        list_of(&must(trellis_credentials_list, &[])).iter().map(read).collect()
    }

    fn read(json: &Json) -> Credential {
        Credential {
            alias: json.text("alias").into(),
            kind: json.text("kind").into(),
            issuer: json.text("issuer").into(),
            label: json.text("label").into(),
            claims: json.list("claims").iter().cloned().map(text_of).collect(),
            expires: json.get("expires").map(number_of),
        }
    }

    /// A proof of exactly these claims for a nonce of 16 to 64 bytes; none when it is not to be had.
    pub fn prove(alias: &str, disclose: &[&str], nonce: &[u8]) -> Option<Vec<u8>> {
        let request = [("alias", json_text(alias)), ("disclose", texts(disclose)), ("nonce", bytes_json(nonce))];
        ask(trellis_credentials_prove, &request).ok().map(bytes_of)
    }
}

/// Events that leave with the commit of this call, or not at all.
pub mod outbox {
    use super::{ask, bytes_json, json_text, HostFunction, Unavailable};

    #[link(wasm_import_module = "extism:host/user")]
    extern "C" {
        fn trellis_outbox_notify_owner(request: u64) -> u64;
        fn trellis_outbox_emit(request: u64) -> u64;
        fn trellis_outbox_send(request: u64) -> u64;
    }

    fn post(function: HostFunction, to: Option<&str>, event_type: &str, json: &str) -> Result<(), Unavailable> {
        let mut request = vec![("type", json_text(event_type)), ("body", bytes_json(json.as_bytes()))];
        if let Some(alias) = to {
            request.push(("to", json_text(alias)));
        }
        ask(function, &request).map(|_| ()).map_err(|_| Unavailable)
    }

    /// A notice to the owner's devices; an error when there is no such right, or too many.
    pub fn notify_owner(event_type: &str, json: &str) -> Result<(), Unavailable> {
        post(trellis_outbox_notify_owner, None, event_type, json)
    }

    /// An event to the connection that asked; an error when there is no such right, or too many.
    pub fn emit(event_type: &str, json: &str) -> Result<(), Unavailable> {
        post(trellis_outbox_emit, None, event_type, json)
    }

    /// An event to another connection by the owner's alias; an error when it cannot be sent there, or is too many.
    pub fn send(to: &str, event_type: &str, json: &str) -> Result<(), Unavailable> {
        post(trellis_outbox_send, Some(to), event_type, json)
    }
}

/// Facts for the owner's audit trail: marked as the handler's word, and kept when the call ends well.
pub mod audit {
    use super::{ask, json_text};

    /// A fact has 1 to 256 bytes, and one event at most 8 of them.
    #[derive(Debug)]
    pub struct Limit;

    #[link(wasm_import_module = "extism:host/user")]
    extern "C" {
        fn trellis_audit_note(request: u64) -> u64;
    }

    pub fn note(fact: &str) -> Result<(), Limit> {
        ask(trellis_audit_note, &[("fact", json_text(fact))]).map(|_| ()).map_err(|_| Limit)
    }
}

pub mod clock {
    use super::{must, number_of};

    #[link(wasm_import_module = "extism:host/user")]
    extern "C" {
        fn trellis_clock_now(request: u64) -> u64;
    }

    /// Milliseconds since the epoch; it stands still during the event.
    pub fn now() -> u64 {
        number_of(&must(trellis_clock_now, &[]))
    }
}

pub mod random {
    use super::{bytes_of, must};

    #[link(wasm_import_module = "extism:host/user")]
    extern "C" {
        fn trellis_random_bytes(request: u64) -> u64;
    }

    /// Cryptographically secure, at most 1,024 a call.
    pub fn bytes(size: u32) -> Vec<u8> {
        bytes_of(must(trellis_random_bytes, &[("length", size.to_string())]))
    }
}

/// Bounded lines for the operator. No secrets, no personal data.
pub mod log {
    use super::{block, free};

    #[derive(Clone, Copy)]
    pub enum Level {
        Debug,
        Info,
        Warn,
        Error,
    }

    #[link(wasm_import_module = "extism:host/env")]
    extern "C" {
        fn log_debug(at: u64);
        fn log_info(at: u64);
        fn log_warn(at: u64);
        fn log_error(at: u64);
    }

    pub fn write(level: Level, message: &str) {
        let at = block(message.as_bytes());
        unsafe {
            match level {
                Level::Debug => log_debug(at),
                Level::Info => log_info(at),
                Level::Warn => log_warn(at),
                Level::Error => log_error(at),
            }
            free(at);
        }
    }
}

/// The owner's answer to a question that this handler asked with `Ended::Suspended`. A no never gets here.
pub mod approval {
    use super::{must, Json};

    #[derive(Debug, PartialEq)]
    pub enum Answer {
        /// Nobody was asked yet.
        None,
        Yes,
        /// One of the choices, to the letter.
        Chosen(String),
    }

    #[link(wasm_import_module = "extism:host/user")]
    extern "C" {
        fn trellis_approval(request: u64) -> u64;
    }

    pub fn current() -> Answer {
        match must(trellis_approval, &[]) {
            Json::Text(said) if said == "yes" => Answer::Yes,
            Json::Text(_) => Answer::None,
            chosen => Answer::Chosen(chosen.text("chosen").into()),
        }
    }
}
