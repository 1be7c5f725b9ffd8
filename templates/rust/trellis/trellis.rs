//! The handler's world for Rust: the canonical ABI over `wit/`. What is not called is not imported.
#![allow(dead_code)]

use std::alloc::{alloc, handle_alloc_error, realloc, Layout};

/// How an event ended well.
pub enum Ended {
    /// The reply, as JSON. The host checks it against the manifest's schema.
    Reply(String),
    /// Done, and there is nothing to say beyond that.
    Accepted,
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
        unsafe extern "C" fn exported(at: *const u8, size: usize) -> *const u8 {
            let body = if size == 0 { &[][..] } else { std::slice::from_raw_parts(at, size) };
            $crate::trellis::give($handle(body))
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

// -- the canonical ABI ------------------------------------------------------------------------------------------------

/// Called by the host to place what it hands over.
#[export_name = "cabi_realloc"]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    if size == 0 {
        return align as *mut u8;
    }
    let layout = Layout::from_size_align_unchecked(size, align);
    let at = if old_size == 0 {
        alloc(layout)
    } else {
        realloc(old, Layout::from_size_align_unchecked(old_size, align), size)
    };
    if at.is_null() {
        handle_alloc_error(layout)
    }
    at
}

/// A string or a list of bytes where the host left it.
#[repr(C)]
#[derive(Clone, Copy)]
struct Span {
    at: *mut u8,
    size: usize,
}

impl Span {
    const NONE: Span = Span { at: std::ptr::null_mut(), size: 0 };

    unsafe fn bytes(self) -> Vec<u8> {
        if self.size == 0 {
            Vec::new()
        } else {
            Vec::from_raw_parts(self.at, self.size, self.size)
        }
    }

    /// The host hands over text only as well-formed UTF-8.
    unsafe fn text(self) -> String {
        String::from_utf8_unchecked(self.bytes())
    }

    /// Out of Rust's hands: the host reads it, and the instance goes with the event.
    fn leak(bytes: Vec<u8>) -> Span {
        let kept = Box::leak(bytes.into_boxed_slice());
        Span { at: kept.as_mut_ptr(), size: kept.len() }
    }
}

/// WIT `result<list<u8> or string, enum>`.
#[repr(C)]
struct BytesResult {
    is_error: u8,
    value: Span,
}

impl BytesResult {
    const EMPTY: BytesResult = BytesResult { is_error: 0, value: Span::NONE };

    fn ok(self) -> Option<Span> {
        if self.is_error == 0 {
            Some(self.value)
        } else {
            None
        }
    }
}

#[repr(C)]
struct Done {
    is_accepted: u8,
    reply: Span,
}

#[repr(C)]
struct Refused {
    code: Span,
    message: Span,
    retry: u8,
}

#[repr(C)]
union DoneOrRefused {
    done: std::mem::ManuallyDrop<Done>,
    refused: std::mem::ManuallyDrop<Refused>,
}

/// WIT `result<outcome, refusal>`.
#[repr(C)]
struct Returned {
    is_refused: u8,
    payload: DoneOrRefused,
}

#[doc(hidden)]
pub fn give(result: Result<Ended, Refusal>) -> *const u8 {
    use std::mem::ManuallyDrop;
    let returned = match result {
        Ok(ended) => {
            let (is_accepted, reply) = match ended {
                Ended::Reply(json) => (0, Span::leak(json.into_bytes())),
                Ended::Accepted => (1, Span::NONE),
            };
            Returned { is_refused: 0, payload: DoneOrRefused { done: ManuallyDrop::new(Done { is_accepted, reply }) } }
        }
        Err(Refusal { code, message, retry }) => {
            let (code, message) = (Span::leak(code.into_bytes()), Span::leak(message.into_bytes()));
            let refused = ManuallyDrop::new(Refused { code, message, retry: retry as u8 });
            Returned { is_refused: 1, payload: DoneOrRefused { refused } }
        }
    };
    Box::into_raw(Box::new(returned)) as *const u8
}

// -- the interfaces ---------------------------------------------------------------------------------------------------

/// The personal fields this event was admitted for, and no others.
pub mod fields {
    use super::BytesResult;

    #[link(wasm_import_module = "trellis:handler/fields@0.1.0")]
    extern "C" {
        #[link_name = "get"]
        fn raw_get(name: *const u8, size: usize, out: *mut BytesResult);
    }

    /// None when it was not admitted, or the owner keeps no such field.
    pub fn get(name: &str) -> Option<String> {
        let mut out = BytesResult::EMPTY;
        unsafe {
            raw_get(name.as_ptr(), name.len(), &mut out);
            out.ok().map(|value| value.text())
        }
    }
}

/// Namespaces of the grant. Writes are kept back until the event ends well.
pub mod store {
    use super::Span;

    #[derive(Debug, PartialEq)]
    pub enum Error {
        /// No such label in the grant, or no right to do this there.
        Unavailable,
        /// The revision is not the one expected: read again and retry.
        Conflict,
        /// The key or the value is over the limit, in bytes.
        TooLarge(u32),
    }

    pub struct Item {
        pub key: String,
        pub value: Vec<u8>,
        /// Grows with every write of this key.
        pub revision: u64,
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

    /// One granted namespace. Holding it is the permission.
    pub struct Namespace(i32);

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct RawError {
        tag: u8,
        too_large: u32,
    }

    impl RawError {
        const NONE: RawError = RawError { tag: 0, too_large: 0 };

        fn read(self) -> Error {
            match self.tag {
                0 => Error::Unavailable,
                1 => Error::Conflict,
                _ => Error::TooLarge(self.too_large),
            }
        }
    }

    #[repr(C)]
    union HandleOrError {
        handle: i32,
        error: RawError,
    }

    #[repr(C)]
    struct OpenResult {
        is_error: u8,
        payload: HandleOrError,
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct RawItem {
        key: Span,
        value: Span,
        revision: u64,
    }

    impl RawItem {
        unsafe fn read(self) -> Item {
            Item { key: self.key.text(), value: self.value.bytes(), revision: self.revision }
        }
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct MaybeItem {
        is_there: u8,
        item: RawItem,
    }

    #[repr(C)]
    union ItemOrError {
        found: MaybeItem,
        error: RawError,
    }

    #[repr(C)]
    struct GetResult {
        is_error: u8,
        payload: ItemOrError,
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct RawPage {
        items: *mut RawItem,
        count: usize,
        has_next: u8,
        next: Span,
    }

    #[repr(C)]
    union PageOrError {
        page: RawPage,
        error: RawError,
    }

    #[repr(C)]
    struct ScanResult {
        is_error: u8,
        payload: PageOrError,
    }

    #[link(wasm_import_module = "trellis:handler/store@0.1.0")]
    extern "C" {
        #[link_name = "open"]
        fn raw_open(label: *const u8, size: usize, out: *mut OpenResult);
        #[link_name = "[method]namespace.get"]
        fn raw_get(space: i32, key: *const u8, size: usize, out: *mut GetResult);
        #[link_name = "[method]namespace.put"]
        fn raw_put(
            space: i32, key: *const u8, size: usize, value: *const u8, value_size: usize, is_expected: i32, expected: u64,
            out: *mut OpenResult,
        );
        #[link_name = "[method]namespace.delete"]
        fn raw_delete(space: i32, key: *const u8, size: usize, out: *mut OpenResult);
        #[link_name = "[method]namespace.scan"]
        fn raw_scan(
            space: i32, prefix: *const u8, size: usize, is_after: i32, after: *const u8, after_size: usize, limit: u32,
            out: *mut ScanResult,
        );
        #[link_name = "[resource-drop]namespace"]
        fn raw_drop(space: i32);
    }

    const EMPTY: OpenResult = OpenResult { is_error: 0, payload: HandleOrError { error: RawError::NONE } };

    fn done(out: OpenResult) -> Result<(), Error> {
        if out.is_error == 0 {
            Ok(())
        } else {
            Err(unsafe { out.payload.error }.read())
        }
    }

    /// `connection` is the asker's own namespace, `handler` this handler's own for all connections.
    pub fn open(label: &str) -> Result<Namespace, Error> {
        let mut out = EMPTY;
        unsafe { raw_open(label.as_ptr(), label.len(), &mut out) };
        if out.is_error == 0 {
            Ok(Namespace(unsafe { out.payload.handle }))
        } else {
            Err(unsafe { out.payload.error }.read())
        }
    }

    impl Namespace {
        pub fn get(&self, key: &str) -> Result<Option<Item>, Error> {
            let mut out = GetResult { is_error: 0, payload: ItemOrError { error: RawError::NONE } };
            unsafe {
                raw_get(self.0, key.as_ptr(), key.len(), &mut out);
                if out.is_error != 0 {
                    return Err(out.payload.error.read());
                }
                let found = out.payload.found;
                Ok(if found.is_there == 0 { None } else { Some(found.item.read()) })
            }
        }

        /// Compare-and-swap when `expected` is given (0: the key must be absent); else the last write wins.
        pub fn put(&self, key: &str, value: &[u8], expected: Option<u64>) -> Result<(), Error> {
            let mut out = EMPTY;
            let is_expected = expected.is_some() as i32;
            let expected = expected.unwrap_or(0);
            unsafe {
                let (at, size) = (value.as_ptr(), value.len());
                raw_put(self.0, key.as_ptr(), key.len(), at, size, is_expected, expected, &mut out);
            }
            done(out)
        }

        pub fn delete(&self, key: &str) -> Result<(), Error> {
            let mut out = EMPTY;
            unsafe { raw_delete(self.0, key.as_ptr(), key.len(), &mut out) };
            done(out)
        }

        /// Keys that start with `prefix`, in byte order, strictly after `after`; at most `limit`, and at most 256.
        pub fn scan(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Page, Error> {
            let mut out = ScanResult { is_error: 0, payload: PageOrError { error: RawError::NONE } };
            let (is_after, from) = (after.is_some() as i32, after.unwrap_or(""));
            unsafe {
                let (at, size) = (from.as_ptr(), from.len());
                raw_scan(self.0, prefix.as_ptr(), prefix.len(), is_after, at, size, limit, &mut out);
                if out.is_error != 0 {
                    return Err(out.payload.error.read());
                }
                let page = out.payload.page;
                let items = (0..page.count).map(|at| (*page.items.add(at)).read()).collect();
                Ok(Page { items, next: if page.has_next == 0 { None } else { Some(page.next.text()) } })
            }
        }
    }

    impl Drop for Namespace {
        fn drop(&mut self) {
            unsafe { raw_drop(self.0) }
        }
    }
}

/// Who asks, told by the host.
pub mod session {
    use super::Span;

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

    #[repr(C)]
    struct RawContext {
        connection: Span,
        kind: u8,
        contract_version: u32,
        event_id: Span,
        event_type: Span,
        deadline_ms: u32,
        approved: u8,
        connection_id: Span,
    }

    #[link(wasm_import_module = "trellis:handler/session@0.1.0")]
    extern "C" {
        #[link_name = "current"]
        fn raw_current(out: *mut RawContext);
    }

    pub fn current() -> Context {
        let mut out = std::mem::MaybeUninit::<RawContext>::uninit();
        unsafe {
            raw_current(out.as_mut_ptr());
            let raw = out.assume_init();
            Context {
                connection: raw.connection.text(),
                is_peer: raw.kind == 1,
                is_owner: raw.kind == 2,
                contract_version: raw.contract_version,
                event_id: raw.event_id.text(),
                event_type: raw.event_type.text(),
                deadline_ms: raw.deadline_ms,
                approved: raw.approved == 1,
                connection_id: raw.connection_id.text(),
            }
        }
    }
}

/// Keys of the grant, by alias. The secret stays with the host.
pub mod keys {
    use super::BytesResult;

    #[link(wasm_import_module = "trellis:handler/keys@0.1.0")]
    extern "C" {
        #[link_name = "public-key"]
        fn raw_public_key(alias: *const u8, size: usize, out: *mut BytesResult);
        #[link_name = "sign"]
        fn raw_sign(alias: *const u8, size: usize, message: *const u8, message_size: usize, out: *mut BytesResult);
    }

    /// The raw public key: 32 bytes for Ed25519.
    pub fn public_key(alias: &str) -> Option<Vec<u8>> {
        let mut out = BytesResult::EMPTY;
        unsafe {
            raw_public_key(alias.as_ptr(), alias.len(), &mut out);
            out.ok().map(|key| key.bytes())
        }
    }

    /// Ed25519 (RFC 8032) over the message: 64 bytes.
    pub fn sign(alias: &str, message: &[u8]) -> Option<Vec<u8>> {
        let mut out = BytesResult::EMPTY;
        unsafe {
            raw_sign(alias.as_ptr(), alias.len(), message.as_ptr(), message.len(), &mut out);
            out.ok().map(|signature| signature.bytes())
        }
    }
}

/// Events that leave with the commit of this call, or not at all.
pub mod outbox {
    use super::Unavailable;

    #[link(wasm_import_module = "trellis:handler/outbox@0.1.0")]
    extern "C" {
        #[link_name = "notify-owner"]
        fn raw_notify(kind: *const u8, size: usize, body: *const u8, body_size: usize, out: *mut [u8; 2]);
        #[link_name = "emit"]
        fn raw_emit(kind: *const u8, size: usize, body: *const u8, body_size: usize, out: *mut [u8; 2]);
        #[link_name = "send"]
        fn raw_send(
            to: *const u8,
            to_size: usize,
            kind: *const u8,
            size: usize,
            body: *const u8,
            body_size: usize,
            out: *mut [u8; 2],
        );
    }

    /// A notice to the owner's devices; an error when there is no such right, or too many.
    pub fn notify_owner(event_type: &str, json: &str) -> Result<(), Unavailable> {
        let mut out = [0; 2];
        unsafe { raw_notify(event_type.as_ptr(), event_type.len(), json.as_ptr(), json.len(), &mut out) };
        if out[0] == 0 { Ok(()) } else { Err(Unavailable) }
    }

    /// An event to the connection that asked; an error when there is no such right, or too many.
    pub fn emit(event_type: &str, json: &str) -> Result<(), Unavailable> {
        let mut out = [0; 2];
        unsafe { raw_emit(event_type.as_ptr(), event_type.len(), json.as_ptr(), json.len(), &mut out) };
        if out[0] == 0 { Ok(()) } else { Err(Unavailable) }
    }

    /// An event to another connection by the owner's alias; an error when it cannot be sent there, or is too many.
    pub fn send(to: &str, event_type: &str, json: &str) -> Result<(), Unavailable> {
        let mut out = [0; 2];
        let (kind, body) = (event_type.as_bytes(), json.as_bytes());
        unsafe { raw_send(to.as_ptr(), to.len(), kind.as_ptr(), kind.len(), body.as_ptr(), body.len(), &mut out) };
        if out[0] == 0 { Ok(()) } else { Err(Unavailable) }
    }
}

pub mod clock {
    #[link(wasm_import_module = "trellis:handler/clock@0.1.0")]
    extern "C" {
        #[link_name = "now"]
        fn raw_now() -> u64;
    }

    /// Milliseconds since the epoch; it stands still during the event.
    pub fn now() -> u64 {
        unsafe { raw_now() }
    }
}

pub mod random {
    use super::Span;

    #[link(wasm_import_module = "trellis:handler/random@0.1.0")]
    extern "C" {
        #[link_name = "bytes"]
        fn raw_bytes(size: u32, out: *mut Span);
    }

    /// Cryptographically secure, at most 1,024 a call.
    pub fn bytes(size: u32) -> Vec<u8> {
        let mut out = Span::NONE;
        unsafe {
            raw_bytes(size, &mut out);
            out.bytes()
        }
    }
}

/// Bounded lines for the operator. No secrets, no personal data.
pub mod log {
    #[derive(Clone, Copy)]
    pub enum Level {
        Debug,
        Info,
        Warn,
        Error,
    }

    #[link(wasm_import_module = "trellis:handler/log@0.1.0")]
    extern "C" {
        #[link_name = "write"]
        fn raw_write(level: i32, text: *const u8, size: usize);
    }

    pub fn write(level: Level, message: &str) {
        unsafe { raw_write(level as i32, message.as_ptr(), message.len()) }
    }
}
