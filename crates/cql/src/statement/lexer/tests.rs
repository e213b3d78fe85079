//! Which tokens a text is cut into.

use proptest::prelude::*;

use super::*;

fn tokens(text: &str) -> Vec<Lexeme<'_>> {
    Lexer::new(text).collect()
}

#[test]
fn comments_and_blanks_are_no_tokens() {
    let text = "--c\n//c\r\n/* c -- */ \tSELECT/**/k";
    assert_eq!(tokens(text), [Lexeme::Word("SELECT"), Lexeme::Word("k")]);
}

#[test]
fn constants_of_different_kinds_are_distinguished() {
    let uuid = "f47ac10b-58cc-4372-a567-0e02b2c3d479";
    let text = format!("12 1.5 1e3 2.E-1 0xCAFE {uuid} 'it''s' $$it's$$ \"a\"\"b\"");
    let expected = [
        Lexeme::Integer("12"),
        Lexeme::Float("1.5"),
        Lexeme::Float("1e3"),
        Lexeme::Float("2.E-1"),
        Lexeme::Hex("0xCAFE"),
        Lexeme::Uuid(uuid),
        Lexeme::Text("it''s"),
        Lexeme::Dollars("it's"),
        Lexeme::Quoted("a\"\"b"),
    ];
    assert_eq!(tokens(&text), expected);
}

#[test]
fn a_duration_is_one_token() {
    for text in [
        "1h30m",
        "500ms",
        "1us",
        "1\u{b5}s",
        "2MO10D",
        "1y2mo3w4d5h6m7s8ms9us10ns",
        "P0001-02-03T04:05:06",
    ] {
        assert_eq!(tokens(text), [Lexeme::Duration(text)], "{text}");
        let list = format!("-{text},5");
        let expected =
            [Lexeme::Sign(b'-'), Lexeme::Duration(text), Lexeme::Sign(b','), Lexeme::Integer("5")];
        assert_eq!(tokens(&list), expected, "{text}");
    }
    assert_eq!(tokens("P1Y2DT3H"), [Lexeme::Word("P1Y2DT3H")]);
}

#[test]
fn a_broken_token_ends_the_text() {
    for text in [
        "'open",
        "\"open",
        "$$open",
        "/* open",
        "-- open",
        "-- a\rb\n",
        "1x",
        "1h3",
        "1hx",
        "2mo5",
        "1\u{3bc}s",
        "0xfg",
        "é",
        "\u{feff}k",
        "\u{a0}k",
        "\x0bk",
        "\x0ck",
        "\0k",
    ] {
        assert_eq!(tokens(text), [Lexeme::Broken], "{text}");
    }
    assert_eq!(tokens("a é b"), [Lexeme::Word("a"), Lexeme::Broken]);
    assert_eq!(tokens("f47ac10b-58cc-4372-a567-0e02b2c3d479a").last(), Some(&Lexeme::Broken));
}

#[test]
fn a_long_text_is_read_up_to_a_bound() {
    let text = format!("a '{}' b", "x".repeat(READ_BYTES_MAX));
    assert_eq!(tokens(&text), [Lexeme::Word("a"), Lexeme::Broken]);
    let text = format!("a{}b", " ".repeat(READ_BYTES_MAX));
    assert_eq!(tokens(&text), [Lexeme::Word("a"), Lexeme::Broken]);
    let fits = format!("'{}'", "x".repeat(READ_BYTES_MAX - 2));
    assert_eq!(tokens(&fits).len(), 1);
    assert!(matches!(tokens(&fits)[..], [Lexeme::Text(_)]));
}

#[test]
fn many_short_tokens_are_read_up_to_a_bound() {
    let max = usize::from(READ_TOKENS_MAX);
    let fits = tokens(&"1,".repeat(max / 2)).len();
    assert_eq!(fits, max);
    let longer = "1,".repeat(max);
    let read = tokens(&longer);
    assert_eq!((read.len(), read.last()), (max + 1, Some(&Lexeme::Broken)));
}

#[test]
fn markers_are_counted_but_in_quotes() {
    let mut lexer = Lexer::new("? '?' \"?\" ?");
    while lexer.next().is_some() {}
    assert_eq!(lexer.markers(), 2);
}

#[test]
fn a_group_ends_with_its_own_bracket() {
    let mut lexer = Lexer::new("(a, ')', [b]) c");
    assert!(lexer.take_sign(b'(') && lexer.skip_group(b'('));
    assert_eq!(lexer.next(), Some(Lexeme::Word("c")));
    for wrong in ["a (b)", "a]", "[)", "{a)", "'", ";"] {
        assert!(!Lexer::new(wrong).skip_group(b'('), "{wrong}");
    }
    let deep = "(".repeat(GROUP_DEPTH_MAX) + &")".repeat(GROUP_DEPTH_MAX);
    assert!(Lexer::new(&deep[1..]).skip_group(b'('));
    assert!(!Lexer::new(&format!("{deep})")).skip_group(b'('));
}

proptest! {
    #[test]
    fn every_text_comes_to_an_end(text in ".{0,60}") {
        prop_assert!(tokens(&text).len() <= text.len());
    }

    #[test]
    fn every_text_of_signs_comes_to_an_end(text in "[-/*'\"$;a0x\n ?]{0,40}") {
        let found = tokens(&text);
        prop_assert!(found.len() <= text.len());
        let broken = found.iter().position(|token| *token == Lexeme::Broken);
        prop_assert!(broken.is_none_or(|at| at + 1 == found.len()));
    }
}
