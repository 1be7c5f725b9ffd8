//! `__name__.greet`: who asks, and for which fields, is settled before this runs.
#[path = "trellis/trellis.rs"]
mod trellis;

use trellis::{fields, json_text, store, Ended, Refusal};

trellis::handler!(handle);

fn handle(_body: &[u8]) -> Result<Ended, Refusal> {
    let name = fields::get("name").ok_or(Refusal::new("name-unavailable", "the name is not available"))?;
    let visits = count_visit().map_err(|_| Refusal::new("store-unavailable", "the contract does not permit storing"))?;
    let greeting = json_text(&format!("Hello, {name}!"));
    Ok(Ended::Reply(format!("{{\"greeting\":{greeting},\"visits\":{visits}}}")))
}

/// Writes are kept back until the event ends well; a refusal drops them.
fn count_visit() -> Result<u64, store::Error> {
    let own = store::open("connection")?;
    let seen = own.get("visits")?.and_then(|item| item.text().parse().ok()).unwrap_or(0);
    let visits: u64 = seen + 1;
    own.put("visits", visits.to_string().as_bytes(), None)?;
    Ok(visits)
}
