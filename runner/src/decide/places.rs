//! Countries and US states under the names people and forms use for them.

use crate::form::words;

/// ISO code and names of a country, normalised.
#[rustfmt::skip]
const COUNTRIES: &[&[&str]] = &[
    &["us", "usa", "united states", "united states of america", "u s", "u s a", "united states of america usa", "united states usa", "vereinigte staaten", "états unis", "estados unidos", "stati uniti", "verenigde staten"],
    &["gb", "uk", "united kingdom", "great britain", "united kingdom uk", "united kingdom of great britain and northern ireland", "u k", "vereinigtes königreich", "royaume uni", "reino unido", "regno unito", "verenigd koninkrijk"],
    &["de", "deu", "germany", "deutschland", "allemagne", "alemania", "germania", "duitsland", "niemcy", "alemanha"],
    &["fr", "fra", "france", "frankreich", "francia", "frankrijk", "frança"],
    &["es", "esp", "spain", "spanien", "espagne", "españa", "spagna", "spanje"],
    &["it", "ita", "italy", "italien", "italie", "italia", "italië"],
    &["nl", "nld", "netherlands", "the netherlands", "niederlande", "pays bas", "países bajos", "paesi bassi", "nederland"],
    &["be", "bel", "belgium", "belgien", "belgique", "bélgica", "belgio", "belgië"],
    &["at", "aut", "austria", "österreich", "autriche", "oostenrijk"],
    &["ch", "che", "switzerland", "schweiz", "suisse", "suiza", "svizzera", "zwitserland"],
    &["pl", "pol", "poland", "polen", "pologne", "polonia", "polska"],
    &["pt", "prt", "portugal"],
    &["se", "swe", "sweden", "schweden", "suède", "suecia", "sverige"],
    &["no", "nor", "norway", "norwegen", "norvège", "noruega", "norge"],
    &["dk", "dnk", "denmark", "dänemark", "danemark", "dinamarca", "danmark"],
    &["fi", "fin", "finland", "finnland", "finlande", "finlandia", "suomi"],
    &["ie", "irl", "ireland", "irland", "irlande", "irlanda", "ierland"],
    &["cz", "cze", "czech republic", "czechia", "tschechien", "česko", "česká republika"],
    &["ro", "rou", "romania", "rumänien", "roumanie", "românia"],
    &["hu", "hun", "hungary", "ungarn", "hongrie", "magyarország"],
    &["gr", "grc", "greece", "griechenland", "grèce"],
    &["bg", "bgr", "bulgaria"],
    &["hr", "hrv", "croatia"],
    &["ua", "ukr", "ukraine"],
    &["tr", "tur", "turkey", "türkiye", "türkei"],
    &["ca", "can", "canada", "kanada"],
    &["mx", "mex", "mexico", "méxico"],
    &["br", "bra", "brazil", "brasil", "brasilien", "brésil"],
    &["ar", "arg", "argentina"],
    &["co", "col", "colombia"],
    &["cl", "chl", "chile"],
    &["pe", "per", "peru", "perú"],
    &["in", "ind", "india", "indien", "inde"],
    &["cn", "chn", "china", "中国"],
    &["jp", "jpn", "japan", "日本"],
    &["kr", "kor", "south korea", "korea republic of", "korea south", "republic of korea", "대한민국", "한국"],
    &["sg", "sgp", "singapore"],
    &["hk", "hkg", "hong kong"],
    &["tw", "twn", "taiwan"],
    &["ph", "phl", "philippines"],
    &["id", "idn", "indonesia"],
    &["my", "mys", "malaysia"],
    &["vn", "vnm", "vietnam", "viet nam"],
    &["th", "tha", "thailand"],
    &["au", "aus", "australia", "australien", "australie"],
    &["nz", "nzl", "new zealand"],
    &["za", "zaf", "south africa"],
    &["ng", "nga", "nigeria"],
    &["ke", "ken", "kenya"],
    &["eg", "egy", "egypt"],
    &["ma", "mar", "morocco"],
    &["il", "isr", "israel"],
    &["ae", "are", "united arab emirates", "uae"],
    &["sa", "sau", "saudi arabia"],
    &["pk", "pak", "pakistan"],
    &["bd", "bgd", "bangladesh"],
    &["lk", "lka", "sri lanka"],
    &["np", "npl", "nepal"],
    &["ru", "rus", "russia", "russian federation"],
    &["rs", "srb", "serbia"],
    &["sk", "svk", "slovakia"],
    &["si", "svn", "slovenia"],
    &["lt", "ltu", "lithuania"],
    &["lv", "lva", "latvia"],
    &["ee", "est", "estonia"],
    &["lu", "lux", "luxembourg"],
];

#[rustfmt::skip]
const STATES: &[(&str, &str)] = &[
    ("al", "alabama"), ("ak", "alaska"), ("az", "arizona"), ("ar", "arkansas"), ("ca", "california"), ("co", "colorado"),
    ("ct", "connecticut"), ("de", "delaware"), ("dc", "district of columbia"), ("fl", "florida"), ("ga", "georgia"),
    ("hi", "hawaii"), ("id", "idaho"), ("il", "illinois"), ("in", "indiana"), ("ia", "iowa"), ("ks", "kansas"),
    ("ky", "kentucky"), ("la", "louisiana"), ("me", "maine"), ("md", "maryland"), ("ma", "massachusetts"),
    ("mi", "michigan"), ("mn", "minnesota"), ("ms", "mississippi"), ("mo", "missouri"), ("mt", "montana"),
    ("ne", "nebraska"), ("nv", "nevada"), ("nh", "new hampshire"), ("nj", "new jersey"), ("nm", "new mexico"),
    ("ny", "new york"), ("nc", "north carolina"), ("nd", "north dakota"), ("oh", "ohio"), ("ok", "oklahoma"),
    ("or", "oregon"), ("pa", "pennsylvania"), ("ri", "rhode island"), ("sc", "south carolina"), ("sd", "south dakota"),
    ("tn", "tennessee"), ("tx", "texas"), ("ut", "utah"), ("vt", "vermont"), ("va", "virginia"), ("wa", "washington"),
    ("wv", "west virginia"), ("wi", "wisconsin"), ("wy", "wyoming"),
];

/// A country or state that two texts can both mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(&'static str);

/// What a text can mean: a country, a state, or, as "CA" does, either.
pub fn of(text: &str) -> Vec<Place> {
    country(text).into_iter().chain(state(text)).collect()
}

/// Whether an address as a list shows it is the place that is meant: the same town, and every other part of what is meant in it.
///
/// "San Francisco, CA" is "San Francisco, California, United States", and is not "San Francisco, Córdoba, Argentina".
pub fn is_in(meant: &str, shown: &str) -> bool {
    let (meant, shown): (Vec<&str>, Vec<&str>) = (meant.split(',').collect(), shown.split(',').collect());
    let same = |a: &str, b: &str| {
        words::plain(a) == words::plain(b) || of(a).iter().any(|place| of(b).contains(place))
    };
    !words::plain(meant[0]).is_empty()
        && words::plain(meant[0]) == words::plain(shown[0])
        && meant[1..].iter().all(|part| shown[1..].iter().any(|it| same(part.trim(), it.trim())))
}

/// The country a text names in full, or by a code that is nothing but a code.
fn country(text: &str) -> Option<Place> {
    let plain = words::plain(text);
    // "no" and "in" are words: two letters count as a code only in capitals.
    let code = plain.len() == 2 && text.trim().chars().all(|it| it.is_ascii_uppercase());
    let named = plain.len() > 2 || plain == "uk";
    COUNTRIES
        .iter()
        .find(|names| (code && names[0] == plain) || (named && names[1..].contains(&plain.as_str())))
        .map(|names| Place(names[0]))
}

/// The US state a text names in full or by its code.
fn state(text: &str) -> Option<Place> {
    let plain = words::plain(text);
    let code = text.trim().chars().all(|it| it.is_ascii_uppercase());
    STATES
        .iter()
        .find(|(short, name)| *name == plain || (code && *short == plain))
        .map(|(_, name)| Place(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_town_is_the_same_only_where_its_state_and_country_are() {
        assert!(is_in("San Francisco, CA", "San Francisco, California, United States"));
        assert!(is_in("Berlin", "Berlin, Germany"));
        assert!(!is_in("Berlin, Germany", "Berlin, NH, USA"));
        assert!(!is_in("San Francisco, CA", "San Francisco, Córdoba, Argentina"));
        assert!(!is_in("Berlin, Germany", "Bernau bei Berlin, Germany"));
    }

    #[test]
    fn small_words_are_no_country_codes() {
        assert_eq!(country("no"), None);
        assert_eq!(country("NO"), country("Norway"));
        assert_eq!(country("in"), None);
    }
}
