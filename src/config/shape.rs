//! The file as written: every key optional, every value with its place in the file, nothing checked.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_spanned::Spanned;

/// A string and where it stands.
pub(super) type Text = Spanned<String>;

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Shape {
    pub workers: Option<Spanned<Whole>>,
    pub admin: Section<AdminShape>,
    pub forward: Option<Spanned<Vec<Spanned<Section<ForwardShape>>>>>,
    pub destinations: Section<DestinationsShape>,
    pub limits: Section<LimitsShape>,
    pub policies: Section<PoliciesShape>,
    pub resolver: Section<ResolverShape>,
    pub log: Section<LogShape>,
    pub inspect: Section<InspectShape>,
    pub bypass: Section<BypassShape>,
    pub state: Section<StateShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icap: Option<BTreeMap<Text, Spanned<Section<IcapShape>>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icap_server: Option<Spanned<Vec<Spanned<Section<IcapServerShape>>>>>,
    pub timeouts: Section<TimeoutsShape>,
}

/// `[admin]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AdminShape {
    pub bind: Option<Text>,
    pub token_file: Option<Text>,
}

/// One `[[forward]]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ForwardShape {
    pub name: Option<Text>,
    pub bind: Option<Text>,
    pub on_client_fin: Option<Text>,
    pub on_server_fin: Option<Text>,
    pub half_close: Option<Text>,
    pub profile: Option<Text>,
}

/// `[destinations]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DestinationsShape {
    pub allow: Option<Vec<Text>>,
    pub connect_ports: Option<Spanned<Strings>>,
}

/// `[limits]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitsShape {
    pub mode: Option<Text>,
    pub stream_after: Option<Text>,
    pub stream_rate: Option<Spanned<Whole>>,
    pub stream_lane: Option<Spanned<Whole>>,
    pub memory: Option<Spanned<Amount>>,
}

/// `[policies]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PoliciesShape {
    pub dir: Option<Text>,
}

/// `[resolver]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ResolverShape {
    pub kind: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<BTreeMap<Text, Spanned<Strings>>>,
}

/// `[log]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogShape {
    pub access: Option<Text>,
    pub format: Option<Text>,
}

/// `[inspect]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct InspectShape {
    pub default: Option<Spanned<Strings>>,
    pub while_held: Option<Text>,
    pub undecodable: Option<Text>,
    pub hold: Option<Text>,
    pub idle_gap: Option<Text>,
    pub first_byte_gap: Option<Text>,
    pub trickle_after: Option<Text>,
    pub deadline: Option<Text>,
    pub memory: Option<Spanned<Amount>>,
    pub per_client: Option<Spanned<Amount>>,
    pub total: Option<Spanned<Amount>>,
    pub spool_dir: Option<Text>,
}

/// `[bypass]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BypassShape {
    pub learn: Option<Text>,
}

/// `[state]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StateShape {
    pub dir: Option<Text>,
}

/// One `[icap.NAME]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct IcapShape {
    pub urls: Option<Spanned<Strings>>,
    pub standby_urls: Option<Spanned<Strings>>,
    pub ca_file: Option<Text>,
    pub methods: Option<Spanned<Strings>>,
    pub on_failure: Option<Text>,
    pub on_overload: Option<Text>,
    pub verdicts: Option<Text>,
    pub max_connections: Option<Spanned<Whole>>,
    pub preview: Option<Spanned<Amount>>,
    pub partial: Option<Spanned<bool>>,
    pub connect: Option<Text>,
    pub first_reply: Option<Text>,
    pub whole: Option<Text>,
}

/// One `[[icap_server]]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct IcapServerShape {
    pub name: Option<Text>,
    pub bind: Option<Text>,
    pub allow: Option<Vec<Text>>,
    pub max_connections: Option<Spanned<Whole>>,
}

/// `[timeouts]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TimeoutsShape {
    pub client_idle: Option<Text>,
    pub request_head: Option<Text>,
    pub body_window: Option<Text>,
    pub body_floor: Option<Spanned<Whole>>,
    pub connect: Option<Text>,
    pub connect_total: Option<Text>,
    pub connect_head_start: Option<Text>,
    pub response_head: Option<Text>,
    pub stream_idle: Option<Text>,
    pub upstream_write: Option<Text>,
    pub client_write: Option<Text>,
    pub half_close_http: Option<Text>,
    pub half_close_tunnel: Option<Text>,
    pub upstream_idle: Option<Text>,
    pub resolve: Option<Text>,
    pub drain: Option<Text>,
}

/// A section. A type of its own, because serde's derived structs can be written as arrays as well, keys left out.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Section<T>(pub T);

impl<T> Deref for Section<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Section<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SectionVisitor(PhantomData))
    }
}

struct SectionVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SectionVisitor<T> {
    type Value = Section<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section")
    }

    fn visit_map<A: MapAccess<'de>>(self, from: A) -> Result<Section<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(from)).map(Section)
    }
}

/// A whole number, 0 or more. A type of its own, so that the message for anything else is in plain words.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Whole(pub u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, 0 or more")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Whole, E> {
        u64::try_from(number).map(Whole).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
        Ok(Whole(number))
    }
}

/// A whole number, or a string that says it in another way.
#[derive(Clone, Debug)]
pub(super) enum Amount {
    /// Written without quotes.
    Number(u64),
    /// Written with a unit.
    Text(String),
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Amount::Number(number) => number.serialize(to),
            Amount::Text(text) => text.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, 0 or more, or a string")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Amount, E> {
        u64::try_from(number).map(Amount::Number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Amount, E> {
        Ok(Amount::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Amount, E> {
        Ok(Amount::Text(text.to_owned()))
    }
}

/// One string, or an array of them.
#[derive(Clone, Debug)]
pub(super) enum Strings {
    /// Written without brackets.
    One(String),
    /// Written as an array.
    Many(Vec<Text>),
}

impl Strings {
    /// The strings, each with its place in the file.
    pub fn texts(strings: &Spanned<Strings>) -> Vec<Text> {
        match strings.get_ref() {
            Strings::One(text) => vec![Spanned::new(strings.span(), text.clone())],
            Strings::Many(texts) => texts.clone(),
        }
    }
}

impl Serialize for Strings {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Strings::One(text) => text.serialize(to),
            Strings::Many(texts) => texts.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(StringsVisitor)
    }
}

struct StringsVisitor;

impl<'de> Visitor<'de> for StringsVisitor {
    type Value = Strings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Strings, E> {
        Ok(Strings::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Strings, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = from.next_element()? {
            texts.push(text);
        }
        Ok(Strings::Many(texts))
    }
}
