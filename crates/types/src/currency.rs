//! ISO 4217 currencies and the decimals of their minor units (M1).

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// An active ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency {
    code: [u8; 3],
    exponent: u8,
}

/// The text is no active ISO 4217 code; made to follow a field's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an ISO 4217 currency code such as USD")]
pub struct UnknownCurrency;

/// Codes by the number of decimals of their minor unit (ISO 4217:2015, amendments to 2024).
const BY_EXPONENT: [(u8, &str); 4] = [
    (
        0,
        "\
    BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    ),
    (
        2,
        "\
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD
    CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
    GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA
    MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR
    RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD
    TZS UAH USD USN UYU UZS VED VES WST XCD YER ZAR ZMW ZWG",
    ),
    (
        3,
        "\
    BHD IQD JOD KWD LYD OMR TND",
    ),
    (
        4,
        "\
    CLF UYW",
    ),
];

/// The same by code: amounts are read on every hot path.
static KNOWN: LazyLock<Vec<Currency>> = LazyLock::new(|| {
    let of = |(exponent, codes): (u8, &'static str)| {
        let code = |text: &str| <[u8; 3]>::try_from(text.as_bytes()).ok();
        let codes = codes.split_ascii_whitespace().filter_map(code);
        codes.map(move |code| Currency { code, exponent })
    };
    let mut known: Vec<Currency> = BY_EXPONENT.into_iter().flat_map(of).collect();
    known.sort_unstable();
    known
});

impl Currency {
    /// Every one there is.
    pub fn all() -> impl Iterator<Item = Self> {
        KNOWN.iter().copied()
    }

    /// The three-letter code.
    pub fn code(&self) -> &str {
        // made from ASCII in `from_str`, so this never falls back
        std::str::from_utf8(&self.code).unwrap_or("XXX")
    }

    /// Decimals of the minor unit: JPY 0, USD 2, KWD 3.
    pub const fn exponent(&self) -> u8 {
        self.exponent
    }

    /// Minor units in one major unit: 100 for USD.
    pub const fn minor_per_major(&self) -> i64 {
        10_i64.pow(self.exponent as u32)
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(text: &str) -> Result<Self, UnknownCurrency> {
        let code: [u8; 3] = text.as_bytes().try_into().map_err(|_| UnknownCurrency)?;
        let known = KNOWN.binary_search_by_key(&code, |currency| currency.code);
        known.ok().and_then(|index| KNOWN.get(index)).copied().ok_or(UnknownCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m1_the_exponent_comes_from_the_currency() {
        let exponent = |code: &str| code.parse::<Currency>().unwrap().exponent();
        assert_eq!((exponent("JPY"), exponent("USD"), exponent("KWD")), (0, 2, 3));
    }

    #[test]
    fn unknown_codes_are_refused() {
        for code in ["", "usd", "US", "USDX", "XXX", "A B", "£££"] {
            assert_eq!(code.parse::<Currency>(), Err(UnknownCurrency), "{code:?}");
        }
    }
}
