//! The handler's world for Rust: the canonical ABI over `wit/`. What is not called is not imported.
#![allow(dead_code)]

use std::alloc::{alloc, handle_alloc_error, realloc, GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};

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
/// What most events need. Beyond it memory grows, and an instance whose memory grew is not reset but made anew.
const ARENA_BYTES: usize = 65_536;

/// Hands out memory that is there from the start, one piece after the other; the newest is taken back and extended.
struct Arena {
    memory: UnsafeCell<[u8; ARENA_BYTES]>,
    used: Cell<usize>,
}

// A component has one thread.
unsafe impl Sync for Arena {}

#[global_allocator]
static ARENA: Arena = Arena { memory: UnsafeCell::new([0; ARENA_BYTES]), used: Cell::new(0) };

impl Arena {
    /// How far into the arena; past its end for what is not of it.
    fn offset(&self, at: *mut u8) -> usize {
        (at as usize).wrapping_sub(self.memory.get() as usize)
    }

    fn is_newest(&self, at: *mut u8, size: usize) -> bool {
        self.offset(at) < ARENA_BYTES && self.offset(at) + size == self.used.get()
    }
}

unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.memory.get() as usize;
        let from = ((base + self.used.get() + layout.align() - 1) & !(layout.align() - 1)) - base;
        if from >= ARENA_BYTES || layout.size() > ARENA_BYTES - from {
            return System.alloc(layout);
        }
        self.used.set(from + layout.size());
        (self.memory.get() as *mut u8).add(from)
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if self.is_newest(at, layout.size()) {
            self.used.set(self.offset(at));
        } else if self.offset(at) >= ARENA_BYTES {
            System.dealloc(at, layout);
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if self.offset(at) >= ARENA_BYTES {
            return System.realloc(at, layout, size);
        }
        if self.is_newest(at, layout.size()) && size <= ARENA_BYTES - self.offset(at) {
            self.used.set(self.offset(at) + size);
            return at;
        }
        let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
        if !moved.is_null() {
            moved.copy_from_nonoverlapping(at, layout.size().min(size));
            self.dealloc(at, layout);
        }
        moved
    }
}

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
    kind: u8,
    /// The reply, or the question's text.
    text: Span,
    choices: *mut Span,
    count: usize,
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
            let (kind, text, choices) = match ended {
                Ended::Reply(json) => (0, Span::leak(json.into_bytes()), Vec::new()),
                Ended::Accepted => (1, Span::NONE, Vec::new()),
                Ended::Suspended(Question { text, choices }) => (2, Span::leak(text.into_bytes()), choices),
            };
            let spans: Vec<Span> = choices.into_iter().map(|choice| Span::leak(choice.into_bytes())).collect();
            let list = Box::leak(spans.into_boxed_slice());
            let done = ManuallyDrop::new(Done { kind, text, choices: list.as_mut_ptr(), count: list.len() });
            Returned { is_refused: 0, payload: DoneOrRefused { done } }
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
        /// Nothing of this category may be kept here.
        WrongCategory,
        /// The contract's bytes are used up: so many are left.
        Full(u32),
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

    /// One granted namespace. Holding it is the permission.
    pub struct Namespace(i32);

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct RawError {
        tag: u8,
        bytes: u32,
    }

    impl RawError {
        const NONE: RawError = RawError { tag: 0, bytes: 0 };

        fn read(self) -> Error {
            match self.tag {
                0 => Error::Unavailable,
                1 => Error::Conflict,
                2 => Error::TooLarge(self.bytes),
                3 => Error::WrongCategory,
                _ => Error::Full(self.bytes),
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
        visibility: u8,
        category: MaybeSpan,
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct MaybeSpan {
        is_there: u8,
        text: Span,
    }

    impl RawItem {
        unsafe fn read(self) -> Item {
            Item {
                key: self.key.text(),
                value: self.value.bytes(),
                revision: self.revision,
                visibility: if self.visibility == 1 { Visibility::Opaque } else { Visibility::Transparent },
                category: if self.category.is_there == 1 { Some(self.category.text.text()) } else { None },
            }
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
            is_attributed: i32, visibility: i32, is_category: i32, category: *const u8, category_size: usize,
            is_sensitive: i32, sensitivity: i32, out: *mut OpenResult,
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
        /// A key keeps the attributes it has; a new one is transparent and of no category.
        pub fn put(&self, key: &str, value: &[u8], expected: Option<u64>) -> Result<(), Error> {
            self.write(key, value, expected, None)
        }

        /// The same with attributes.
        pub fn put_as(&self, key: &str, value: &[u8], expected: Option<u64>, as_: Attributes) -> Result<(), Error> {
            self.write(key, value, expected, Some(as_))
        }

        fn write(&self, key: &str, value: &[u8], expected: Option<u64>, given: Option<Attributes>) -> Result<(), Error> {
            let mut out = EMPTY;
            let is_attributed = given.is_some() as i32;
            let given = given.unwrap_or(Attributes { visibility: Visibility::Transparent, category: None, sensitivity: None });
            let (is_category, category) = (given.category.is_some() as i32, given.category.unwrap_or(""));
            let is_sensitive = given.sensitivity.is_some() as i32;
            let sensitivity = given.sensitivity.unwrap_or(Sensitivity::Data) as i32;
            let is_expected = expected.is_some() as i32;
            let expected = expected.unwrap_or(0);
            unsafe {
                let (at, size) = (value.as_ptr(), value.len());
                raw_put(
                    self.0, key.as_ptr(), key.len(), at, size, is_expected, expected, is_attributed,
                    given.visibility as i32, is_category, category.as_ptr(), category.len(),
                    is_sensitive, sensitivity, &mut out,
                );
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
        #[link_name = "algorithm-of"]
        fn raw_algorithm(alias: *const u8, size: usize, out: *mut [u8; 2]);
        #[link_name = "public-key"]
        fn raw_public_key(alias: *const u8, size: usize, out: *mut BytesResult);
        #[link_name = "sign"]
        fn raw_sign(alias: *const u8, size: usize, message: *const u8, message_size: usize, out: *mut BytesResult);
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Algorithm {
        Ed25519,
        EcdsaSecp256k1,
        Bip340,
    }

    pub fn algorithm_of(alias: &str) -> Option<Algorithm> {
        let mut out = [0; 2];
        unsafe { raw_algorithm(alias.as_ptr(), alias.len(), &mut out) };
        match out {
            [0, 0] => Some(Algorithm::Ed25519),
            [0, 1] => Some(Algorithm::EcdsaSecp256k1),
            [0, _] => Some(Algorithm::Bip340),
            _ => None,
        }
    }

    /// The raw public key: 33 bytes of ECDSA, else 32.
    pub fn public_key(alias: &str) -> Option<Vec<u8>> {
        let mut out = BytesResult::EMPTY;
        unsafe {
            raw_public_key(alias.as_ptr(), alias.len(), &mut out);
            out.ok().map(|key| key.bytes())
        }
    }

    /// 64 bytes; none also when the key does not sign messages of this size (32 bytes but for Ed25519).
    pub fn sign(alias: &str, message: &[u8]) -> Option<Vec<u8>> {
        let mut out = BytesResult::EMPTY;
        unsafe {
            raw_sign(alias.as_ptr(), alias.len(), message.as_ptr(), message.len(), &mut out);
            out.ok().map(|signature| signature.bytes())
        }
    }
}

/// The owner's credentials: what they are, and proofs of their claims.
pub mod credentials {
    use super::{BytesResult, Span};

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

    #[repr(C)]
    struct RawCredential {
        alias: Span,
        kind: Span,
        issuer: Span,
        label: Span,
        claims: *mut Span,
        claim_count: usize,
        has_expires: u8,
        expires: u64,
    }

    #[repr(C)]
    struct RawList {
        at: *mut RawCredential,
        count: usize,
    }

    #[link(wasm_import_module = "trellis:handler/credentials@0.1.0")]
    extern "C" {
        #[link_name = "list"]
        fn raw_list(out: *mut RawList);
        #[link_name = "prove"]
        fn raw_prove(
            alias: *const u8,
            size: usize,
            disclose: *const Span,
            count: usize,
            nonce: *const u8,
            nonce_size: usize,
            out: *mut BytesResult,
        );
    }

    /// The credentials that have a claim this event was admitted for.
    pub fn list() -> Vec<Credential> {
        let mut out = RawList { at: std::ptr::null_mut(), count: 0 };
        unsafe {
            raw_list(&mut out);
            (0..out.count).map(|index| read(&*out.at.add(index))).collect()
        }
    }

    unsafe fn read(raw: &RawCredential) -> Credential {
        Credential {
            alias: raw.alias.text(),
            kind: raw.kind.text(),
            issuer: raw.issuer.text(),
            label: raw.label.text(),
            claims: (0..raw.claim_count).map(|index| (*raw.claims.add(index)).text()).collect(),
            expires: if raw.has_expires == 1 { Some(raw.expires) } else { None },
        }
    }

    /// A proof of exactly these claims for a nonce of 16 to 64 bytes; none when it is not to be had.
    pub fn prove(alias: &str, disclose: &[&str], nonce: &[u8]) -> Option<Vec<u8>> {
        let names: Vec<Span> =
            disclose.iter().map(|name| Span { at: name.as_ptr() as *mut u8, size: name.len() }).collect();
        let mut out = BytesResult::EMPTY;
        unsafe {
            let (at, size) = (alias.as_ptr(), alias.len());
            raw_prove(at, size, names.as_ptr(), names.len(), nonce.as_ptr(), nonce.len(), &mut out);
            out.ok().map(|proof| proof.bytes())
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

/// Facts for the owner's audit trail: marked as the handler's word, and kept when the call ends well.
pub mod audit {
    /// A fact has 1 to 256 bytes, and one event at most 8 of them.
    #[derive(Debug)]
    pub struct Limit;

    #[link(wasm_import_module = "trellis:handler/audit@0.1.0")]
    extern "C" {
        #[link_name = "note"]
        fn raw_note(fact: *const u8, size: usize, out: *mut [u8; 2]);
    }

    pub fn note(fact: &str) -> Result<(), Limit> {
        let mut out = [0; 2];
        unsafe { raw_note(fact.as_ptr(), fact.len(), &mut out) };
        if out[0] == 0 { Ok(()) } else { Err(Limit) }
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

/// The owner's answer to a question that this handler asked with `Ended::Suspended`. A no never gets here.
pub mod approval {
    use super::Span;

    #[derive(Debug, PartialEq)]
    pub enum Answer {
        /// Nobody was asked yet.
        None,
        Yes,
        /// One of the choices, to the letter.
        Chosen(String),
    }

    #[repr(C)]
    struct RawAnswer {
        tag: u8,
        choice: Span,
    }

    #[link(wasm_import_module = "trellis:handler/approval@0.1.0")]
    extern "C" {
        #[link_name = "current"]
        fn raw_current(out: *mut RawAnswer);
    }

    pub fn current() -> Answer {
        let mut out = RawAnswer { tag: 0, choice: Span::NONE };
        unsafe {
            raw_current(&mut out);
            match out.tag {
                0 => Answer::None,
                1 => Answer::Yes,
                _ => Answer::Chosen(out.choice.text()),
            }
        }
    }
}
