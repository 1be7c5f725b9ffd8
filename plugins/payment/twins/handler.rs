//! `payment.request`: authorises a payment with the owner's key, within the owner's policy, asking where it does not say
//! otherwise. `payment.policy`: the owner reads or changes it.
#[path = "trellis/body.rs"]
mod body;
#[path = "trellis/trellis.rs"]
mod trellis;

use body::{encode_base64url, Json, Message};
use trellis::{approval, clock, credentials, json_text, keys, outbox, session, store, Ended, Question, Refusal};

trellis::handler!(handle);

const KEY: &str = "payment";
const IDENTITY: &str = "identity";
const KINDS: [&str; 2] = ["payment-card", "iban"];
/// As many as a question may offer.
const CHOICES_MAX: usize = 8;
/// With the asker's name, the amount and the reference it fits the 512 bytes of a question.
const PAYEE_BYTES_MAX: usize = 128;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

fn handle(body: &[u8]) -> Result<Ended, Refusal> {
    let request = Json::read(body);
    let asker = session::current();
    let space = store::open("handler").expect("the manifest needs it");
    if asker.event_type == "payment.policy" {
        return policy_of(&space, &request);
    }
    let payment = Payment {
        connection: asker.connection_id,
        asker: asker.connection,
        amount: request.whole("amount").expect("the schema has it"),
        currency: request.text("currency").into(),
        payee: request.text("payee").into(),
        reference: request.text("reference").into(),
    };
    pay(&space, &payment, request.text("kind"))
}

struct Payment {
    /// Who may use it: the connection's id.
    connection: String,
    /// The owner's alias for the connection.
    asker: String,
    /// In minor units of the currency.
    amount: i64,
    currency: String,
    payee: String,
    reference: String,
}

impl Payment {
    /// The members that are the asker's, as JSON.
    fn members(&self) -> String {
        let (payee, reference) = (json_text(&self.payee), json_text(&self.reference));
        format!(
            "\"amount\":{},\"currency\":\"{}\",\"payee\":{payee},\"reference\":{reference}",
            self.amount, self.currency
        )
    }

    fn is(&self, asked: &Json) -> bool {
        let terms = (asked.whole("amount"), asked.text("currency"), asked.text("payee"));
        terms == (Some(self.amount), &self.currency, &self.payee)
    }
}

// -- the owner's policy -----------------------------------------------------------------------------------------------

fn policy_of(space: &store::Namespace, request: &Json) -> Result<Ended, Refusal> {
    let written = match request.get("policy") {
        Some(policy) => {
            check_policy(policy)?;
            let written = policy.write();
            keep(space, "policy", &written, None)?;
            written
        }
        None if request.has("policy") => {
            space.delete("policy").map_err(|_| not_kept())?;
            "null".into()
        }
        None => read(space, "policy").0.map_or("null".into(), |policy| policy.write()),
    };
    Ok(Ended::Reply(format!("{{\"policy\":{written}}}")))
}

fn check_policy(policy: &Json) -> Result<(), Refusal> {
    let rules = policy.list("rules");
    let is_repeated = |at: usize| rules[..at].iter().any(|rule| rule.text("currency") == rules[at].text("currency"));
    if (0..rules.len()).any(is_repeated) {
        return Err(Refusal::new("policy-invalid", "give each currency one rule"));
    }
    match policy.get("hours") {
        Some(hours) if hours.whole("from") == hours.whole("to") => {
            Err(Refusal::new("policy-invalid", "let the hours end at another than they begin"))
        }
        _ => Ok(()),
    }
}

fn is_open(policy: &Json, hour: i64) -> bool {
    let hours = policy.get("hours").map(|hours| (hours.whole("from").unwrap_or(0), hours.whole("to").unwrap_or(0)));
    match hours {
        None => true,
        Some((from, to)) if from < to => hour >= from && hour < to,
        Some((from, to)) => hour >= from || hour < to,
    }
}

fn is_within(rule: &Json, amount: i64, all: &Spent, each: &Spent) -> bool {
    let pairs = [
        (amount, "paymentMax"),
        (all.day_amount, "dailyMax"),
        (all.month_amount, "monthlyMax"),
        (each.day_amount, "dailyMaxEach"),
        (each.month_amount, "monthlyMaxEach"),
    ];
    pairs.iter().all(|(sum, name)| rule.whole(name).map_or(true, |max| *sum <= max))
}

// -- what is spent ----------------------------------------------------------------------------------------------------

/// In the day and the month that are named.
struct Spent {
    day: i64,
    day_amount: i64,
    month: i64,
    month_amount: i64,
    /// At which it was read; 0 when there was none.
    revision: u64,
}

impl Spent {
    /// With this payment; of another day or month, nothing was before it.
    fn with(space: &store::Namespace, key: &str, (day, month): (i64, i64), amount: i64) -> Spent {
        let (before, revision) = read(space, key);
        let of = |period: &str, now: i64, sum: &str| {
            before.as_ref().filter(|spent| spent.whole(period) == Some(now)).and_then(|spent| spent.whole(sum)).unwrap_or(0)
        };
        let (day_amount, month_amount) = (of("day", day, "dayAmount"), of("month", month, "monthAmount"));
        Spent { day, day_amount: day_amount + amount, month, month_amount: month_amount + amount, revision }
    }

    fn write(&self) -> String {
        let Spent { day, day_amount, month, month_amount, .. } = self;
        format!("{{\"day\":{day},\"dayAmount\":{day_amount},\"month\":{month},\"monthAmount\":{month_amount}}}")
    }
}

/// Year times twelve, and months since January, of a day since 1970-01-01: the Gregorian calendar, from March on.
fn month_of(day: i64) -> i64 {
    let since = day + 719_468;
    let era = since.div_euclid(146_097);
    let in_era = since.rem_euclid(146_097);
    let year = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    (era * 400 + year) * 12 + (5 * in_year + 2) / 153 + 2
}

// -- a payment --------------------------------------------------------------------------------------------------------

fn pay(space: &store::Namespace, payment: &Payment, kind: &str) -> Result<Ended, Refusal> {
    check_texts(payment)?;
    let Payment { connection, currency, reference, amount, .. } = payment;
    let paid_key = format!("paid/{connection}/{reference}");
    if let (Some(before), _) = read(space, &paid_key) {
        if before.get("asked").map_or(false, |asked| payment.is(asked)) {
            return Ok(Ended::Reply(before.get("reply").map_or("null".into(), Json::write)));
        }
        return Err(Refusal::new("reference-used", "this reference was paid already, on other terms: take a new one"));
    }
    let policy = read(space, "policy").0;
    let now = clock::now();
    let local = now as i64 + policy.as_ref().and_then(|one| one.whole("utcOffsetMinutes")).unwrap_or(0) * MINUTE_MS;
    let day = local.div_euclid(DAY_MS);
    let hour = local.rem_euclid(DAY_MS) / (60 * MINUTE_MS);
    let (all_key, each_key) = (format!("spent/{currency}"), format!("spent/{currency}/{connection}"));
    let all = Spent::with(space, &all_key, (day, month_of(day)), *amount);
    let each = Spent::with(space, &each_key, (day, month_of(day)), *amount);
    // Which of the limits it is stays with the owner: an asker could measure them.
    let refused = || Refusal::new("policy-refused", "the owner’s policy does not allow this payment now");
    let (mut ask_above, mut usual) = (0, None);
    if let Some(policy) = &policy {
        let rule = policy.list("rules").iter().find(|rule| rule.text("currency") == currency).ok_or_else(refused)?;
        if !is_open(policy, hour) || !is_within(rule, *amount, &all, &each) {
            return Err(refused());
        }
        ask_above = rule.whole("askAbove").unwrap_or(0);
        usual = Some(policy.text("credential")).filter(|alias| !alias.is_empty());
    }
    let absent = || Refusal::new("key-unavailable", "the owner has made no key for payments");
    keys::public_key(IDENTITY).ok_or_else(absent)?;
    let key = keys::public_key(KEY).ok_or_else(absent)?;
    let (chosen, is_asked) = match choose(kind, usual, *amount <= ask_above)? {
        Chosen::With(credential, is_asked) => (credential, is_asked),
        Chosen::Ask(choices) => return Ok(Ended::Suspended(Question { text: question_for(payment), choices })),
    };
    let reply = authorise(payment, &chosen, now, &key).ok_or_else(absent)?;
    keep(space, &all_key, &all.write(), Some(all.revision))?;
    keep(space, &each_key, &each.write(), Some(each.revision))?;
    keep(space, &paid_key, &format!("{{\"asked\":{{{}}},\"reply\":{reply}}}", payment.members()), Some(0))?;
    let notice = format!(
        "{{\"connection\":{},{},\"credential\":{},\"authorisedAt\":{now},\"asked\":{is_asked}}}",
        json_text(connection),
        payment.members(),
        json_text(&chosen.alias),
    );
    outbox::notify_owner("payment.authorised", &notice).expect("the manifest needs it");
    Ok(Ended::Reply(reply))
}

fn check_texts(payment: &Payment) -> Result<(), Refusal> {
    let is_shown = |code: u32| !UNREADABLE.iter().any(|(first, last)| (*first..=*last).contains(&code));
    let payee = &payment.payee;
    let is_blank = payee.chars().all(|character| character == ' ');
    if is_blank || payee.len() > PAYEE_BYTES_MAX || !payee.chars().all(|character| is_shown(character as u32)) {
        return Err(Refusal::new("payee-invalid", "name the payee in visible characters, in one line"));
    }
    if payment.reference.is_empty() || !payment.reference.bytes().all(|byte| (b'!'..=b'~').contains(&byte)) {
        return Err(Refusal::new("reference-invalid", "send a reference of visible ASCII characters, without spaces"));
    }
    Ok(())
}

/// As JSON; none when a key is not there.
fn authorise(payment: &Payment, chosen: &credentials::Credential, now: u64, key: &[u8]) -> Option<String> {
    let Payment { connection, payee, reference, currency, amount, .. } = payment;
    let texts = [connection, payee, reference, currency, &chosen.alias];
    let domain = Message::new("vine/1 payment.request");
    let message = texts.iter().fold(domain, |message, text| message.part(text.as_bytes()));
    let statement = message.number(*amount as u64).number(now).0;
    let members = [
        ("statement", encode_base64url(&statement)),
        ("signature", encode_base64url(&keys::sign(KEY, &statement)?)),
        ("publicKey", encode_base64url(key)),
        ("certificate", encode_base64url(&keys::sign(IDENTITY, &Message::new("vine/1 payment.key").part(key).0)?)),
    ];
    let texts: Vec<String> = members.iter().map(|(name, text)| format!("\"{name}\":\"{text}\"")).collect();
    Some(format!(
        "{{\"algorithm\":\"Ed25519\",\"credential\":{{\"alias\":{},\"kind\":{}}},\"authorisedAt\":{now},{}}}",
        json_text(&chosen.alias),
        json_text(&chosen.kind),
        texts.join(",")
    ))
}

// -- what it is paid with ---------------------------------------------------------------------------------------------

enum Chosen {
    /// And whether the owner was asked.
    With(credentials::Credential, bool),
    /// Which the owner may choose from.
    Ask(Vec<String>),
}

fn choose(kind: &str, usual: Option<&str>, is_small: bool) -> Result<Chosen, Refusal> {
    let fits = |held: &credentials::Credential| if kind.is_empty() { KINDS.contains(&&*held.kind) } else { held.kind == kind };
    let mut able: Vec<credentials::Credential> = credentials::list().into_iter().filter(fits).collect();
    let absent = || Refusal::new("credential-unavailable", "the owner has nothing of this kind to pay with");
    if able.is_empty() {
        return Err(absent());
    }
    if let approval::Answer::Chosen(said) = approval::current() {
        let at = able.iter().position(|held| held.alias == said).ok_or_else(absent)?;
        return Ok(Chosen::With(able.swap_remove(at), true));
    }
    let alias = usual.map(String::from).or(if able.len() == 1 { Some(able[0].alias.clone()) } else { None });
    match able.iter().position(|held| Some(&held.alias) == alias.as_ref()) {
        Some(at) if is_small => Ok(Chosen::With(able.swap_remove(at), false)),
        _ => Ok(Chosen::Ask(able.into_iter().take(CHOICES_MAX).map(|held| held.alias).collect())),
    }
}

/// The payee is last, and a reference has no spaces: nothing in them can pass for the words around them.
fn question_for(payment: &Payment) -> String {
    let Payment { asker, payee, reference, .. } = payment;
    let amount = shown_amount(payment.amount, &payment.currency);
    format!("{asker} asks you to pay {amount}, reference {reference}, to: {payee}")
}

/// An amount in minor units as a person writes it. ISO 4217 says how many decimals a currency has.
fn shown_amount(amount: i64, currency: &str) -> String {
    let decimals = match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND" | "VUV"
        | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    };
    let digits = format!("{amount:0>width$}", width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    if decimals == 0 { format!("{whole} {currency}") } else { format!("{whole}.{part} {currency}") }
}

/// First and last of what is not seen, turns the order of what is, or is nobody's.
const UNREADABLE: [(u32, u32); 18] = [
    (0x0, 0x1f),
    (0x7f, 0x9f),
    (0xad, 0xad),
    (0x34f, 0x34f),
    (0x61c, 0x61c),
    (0x115f, 0x1160),
    (0x17b4, 0x17b5),
    (0x180b, 0x180f),
    (0x200b, 0x200f),
    (0x2028, 0x202e),
    (0x2060, 0x206f),
    (0x3164, 0x3164),
    (0xd800, 0xf8ff),
    (0xfe00, 0xfe0f),
    (0xfeff, 0xfeff),
    (0xffa0, 0xffa0),
    (0xfff0, 0xffff),
    (0xe0000, 0x10ffff),
];

// -- what is remembered -----------------------------------------------------------------------------------------------

/// A value and the revision it was read at; 0 when there is none.
fn read(space: &store::Namespace, key: &str) -> (Option<Json>, u64) {
    match space.get(key).expect("the manifest needs it") {
        Some(item) => (Some(Json::read(&item.value)), item.revision),
        None => (None, 0),
    }
}

fn keep(space: &store::Namespace, key: &str, json: &str, expected: Option<u64>) -> Result<(), Refusal> {
    space.put(key, json.as_bytes(), expected).map_err(|_| not_kept())
}

fn not_kept() -> Refusal {
    Refusal { retry: true, ..Refusal::new("not-kept", "this vault cannot write down a payment now") }
}
