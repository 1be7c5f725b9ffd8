//! `auth.challenge`: proves that this vault holds the connection's key, to this audience, for a few minutes, once.
#[path = "trellis/body.rs"]
mod body;
#[path = "trellis/trellis.rs"]
mod trellis;

use body::{decode_base64url, encode_base64url, Json, Message};
use trellis::{clock, json_text, keys, session, store, Ended, Refusal};

trellis::handler!(handle);

const KEY: &str = "connection";
const NONCE_BYTES: std::ops::RangeInclusive<usize> = 16..=64;
/// A signature that holds longer is a credential, not an answer.
const LIFE_MS_MAX: i64 = 10 * 60_000;
/// Of one connection at one time: a bound on what a flood of challenges leaves behind.
const LIVE_MAX: usize = 64;
const PREFIX: &str = "signed/";

fn handle(body: &[u8]) -> Result<Ended, Refusal> {
    let request = Json::read(body);
    let nonce = decode_base64url(request.text("nonce")).filter(|bytes| NONCE_BYTES.contains(&bytes.len()));
    let nonce = nonce.ok_or(Refusal::new("nonce-invalid", "send 16 to 64 random bytes as base64url"))?;
    let (now, expires) = (clock::now() as i64, request.whole("expires").unwrap_or(0));
    if expires <= now {
        return Err(Refusal::new("challenge-expired", "send a new challenge"));
    }
    if expires > now + LIFE_MS_MAX {
        return Err(Refusal::new("challenge-too-long", "let it expire within ten minutes"));
    }
    sign_once(request.text("nonce"), expires, now)?;
    let audience = request.text("audience").as_bytes();
    let message = Message::new("vine/1 auth.challenge").part(audience).part(&nonce).number(expires as u64);
    let absent = || Refusal::new("key-unavailable", "this connection has no key to sign with");
    let signature = encode_base64url(&keys::sign(KEY, &message.0).ok_or_else(absent)?);
    let key = encode_base64url(&keys::public_key(KEY).ok_or_else(absent)?);
    Ok(Ended::Reply(format!(
        "{{\"algorithm\":\"Ed25519\",\"publicKey\":\"{key}\",\"signature\":\"{signature}\"}}"
    )))
}

/// Writes the nonce down for this connection. Lists of which nothing holds any longer go: this one's own, and that of the
/// connection after it.
fn sign_once(nonce: &str, expires: i64, now: i64) -> Result<(), Refusal> {
    let space = store::open("handler").expect("the manifest needs it");
    let own = format!("{PREFIX}{}", session::current().connection_id);
    let live = living(space.get(&own).expect("may read"), now);
    if live.iter().any(|signed| signed.text("nonce") == nonce) {
        return Err(Refusal::new("nonce-used", "this nonce was signed already: draw a new one for each challenge"));
    }
    if live.len() >= LIVE_MAX {
        return Err(later("too-many-challenges", "let earlier challenges expire first"));
    }
    let mut texts: Vec<String> = live.iter().map(Json::write).collect();
    texts.push(format!("{{\"nonce\":{},\"expires\":{expires}}}", json_text(nonce)));
    let written = format!("[{}]", texts.join(","));
    let full = |_| later("not-kept", "this vault cannot write down a challenge now");
    space.put(&own, written.as_bytes(), None).map_err(full)?;
    let first = |after| space.scan(PREFIX, after, 1).expect("may read").items.pop();
    if let Some(next) = first(Some(own.as_str())).or_else(|| first(None)).filter(|item| item.key != own) {
        let key = next.key.clone();
        if living(Some(next), now).is_empty() {
            space.delete(&key).expect("may write");
        }
    }
    Ok(())
}

/// Those of a connection's list that hold still.
fn living(item: Option<store::Item>, now: i64) -> Vec<Json> {
    let holds = |signed: &Json| signed.whole("expires").map_or(false, |expires| now < expires);
    match item.map(|item| Json::read(&item.value)) {
        Some(Json::List(kept)) => kept.into_iter().filter(holds).collect(),
        _ => Vec::new(),
    }
}

fn later(code: &str, message: &str) -> Refusal {
    Refusal { retry: true, ..Refusal::new(code, message) }
}
