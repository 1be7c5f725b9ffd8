//! `auth.challenge`: proves that this vault holds the connection's key, to this audience, for a few minutes.
#[path = "trellis/body.rs"]
mod body;
#[path = "trellis/trellis.rs"]
mod trellis;

use body::{decode_base64url, encode_base64url, Json, Message};
use trellis::{clock, keys, Ended, Refusal};

trellis::handler!(handle);

const KEY: &str = "connection";
const NONCE_BYTES: std::ops::RangeInclusive<usize> = 16..=64;
/// A signature that holds longer is a credential, not an answer.
const LIFE_MS_MAX: i64 = 10 * 60_000;

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
    let audience = request.text("audience").as_bytes();
    let message = Message::new("vine/1 auth.challenge").part(audience).part(&nonce).number(expires as u64);
    let absent = || Refusal::new("key-unavailable", "this connection has no key to sign with");
    let signature = encode_base64url(&keys::sign(KEY, &message.0).ok_or_else(absent)?);
    let key = encode_base64url(&keys::public_key(KEY).ok_or_else(absent)?);
    Ok(Ended::Reply(format!(
        "{{\"algorithm\":\"Ed25519\",\"publicKey\":\"{key}\",\"signature\":\"{signature}\"}}"
    )))
}
