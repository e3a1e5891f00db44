//! Small expressions over the columns of a document: `kenlm_perplexity < 2000 && quality > 0.3`.
//!
//! Grammar, loosest first: `||` (or `or`), `&&` (`and`), `!` (`not`), one comparison (`<` `<=` `>` `>=` `==` `!=`, `in
//! [a, b]`, `missing(name)`, `starts_with(a, "x")`, `contains(a, "x")`), `+` `-`, `*` `/`, unary `-`, and names, numbers,
//! `"strings"`, `min(a, b)`, `max(a, b)`, `log(a)` (natural), parentheses. A name with other characters than letters, digits, `_` and `.` stands in backticks.
//!
//! A name that a document has no value for makes what is computed from it missing and comparisons of it unknown; `||`
//! and `&&` look past what is unknown where the other side decides, as in SQL. Evaluation: one look at each name.

use std::borrow::Cow;

/// Deepest nesting of an expression.
const MAX_DEPTH: usize = 64;

/// An expression that is true, false or unknown of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    root: Condition,
    names: Vec<String>,
}

/// What a name stands for in a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A number.
    Number(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// Nothing.
    Missing,
}

/// What is wrong with an expression, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Bytes from its start.
    pub at: usize,
    /// What is wrong.
    pub problem: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Condition {
    Any(Box<Condition>, Box<Condition>),
    All(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Compare(Term, Comparison, Term),
    OneOf(Term, Vec<Term>),
    Missing(usize),
    Within(Place, Term, Term),
}

/// Where in a string another one is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    Anywhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
    Unequal,
}

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Name(usize),
    Number(f64),
    Text(String),
    Negative(Box<Term>),
    Arithmetic(Box<Term>, char, Box<Term>),
    Call(Function, Vec<Term>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Min,
    Max,
    Log,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, names: Vec::new(), end: text.len() };
        let root = parser.any()?;
        match parser.tokens.get(parser.next) {
            None => Ok(Self { root, names: parser.names }),
            Some((at, token)) => Err(Mistake { at: *at, problem: format!("{} is not expected here", told(token)) }),
        }
    }

    /// The names in it, each once, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it holds where the names, in the order of [`names`](Self::names), have these values; `None` if that depends
    /// on a missing one.
    pub fn holds(&self, values: &[Value<'_>]) -> Option<bool> {
        holds(&self.root, values)
    }
}

fn holds(condition: &Condition, values: &[Value<'_>]) -> Option<bool> {
    match condition {
        Condition::Any(one, other) => match holds(one, values) {
            Some(true) => Some(true),
            Some(false) => holds(other, values),
            None => holds(other, values).filter(|holds| *holds),
        },
        Condition::All(one, other) => match holds(one, values) {
            Some(false) => Some(false),
            Some(true) => holds(other, values),
            None => holds(other, values).filter(|holds| !*holds),
        },
        Condition::Not(inner) => holds(inner, values).map(|holds| !holds),
        Condition::Compare(left, comparison, right) => {
            compare(&value(left, values), *comparison, &value(right, values))
        }
        Condition::OneOf(term, list) => {
            let found = value(term, values);
            let mut unknown = found == Value::Missing;
            for one in list {
                match compare(&found, Comparison::Equal, &value(one, values)) {
                    Some(true) => return Some(true),
                    Some(false) => {}
                    None => unknown = true,
                }
            }
            (!unknown).then_some(false)
        }
        Condition::Missing(name) => Some(values[*name] == Value::Missing),
        Condition::Within(place, whole, part) => match (value(whole, values), value(part, values)) {
            (Value::Missing, _) | (_, Value::Missing) => None,
            (Value::Text(whole), Value::Text(part)) => Some(match place {
                Place::Start => whole.starts_with(part.as_ref()),
                Place::Anywhere => whole.contains(part.as_ref()),
            }),
            _ => Some(false),
        },
    }
}

/// Numbers compare with numbers, strings with strings; a number is never equal to a string, and in no order with it.
fn compare(left: &Value<'_>, comparison: Comparison, right: &Value<'_>) -> Option<bool> {
    let order = match (left, right) {
        (Value::Missing, _) | (_, Value::Missing) => return None,
        (Value::Number(left), Value::Number(right)) => left.partial_cmp(right)?,
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        _ => return Some(comparison == Comparison::Unequal),
    };
    Some(match comparison {
        Comparison::Less => order.is_lt(),
        Comparison::AtMost => order.is_le(),
        Comparison::More => order.is_gt(),
        Comparison::AtLeast => order.is_ge(),
        Comparison::Equal => order.is_eq(),
        Comparison::Unequal => order.is_ne(),
    })
}

fn value<'v>(term: &'v Term, values: &'v [Value<'v>]) -> Value<'v> {
    let number = |term: &Term| match value(term, values) {
        Value::Number(number) => Some(number),
        _ => None,
    };
    let result = match term {
        Term::Name(name) => return values[*name].clone(),
        Term::Text(text) => return Value::Text(Cow::Borrowed(text)),
        Term::Number(number) => Some(*number),
        Term::Negative(term) => number(term).map(|number| -number),
        Term::Arithmetic(left, operator, right) => {
            number(left).zip(number(right)).map(|(left, right)| match operator {
                '+' => left + right,
                '-' => left - right,
                '*' => left * right,
                _ => left / right,
            })
        }
        Term::Call(Function::Log, terms) => number(&terms[0]).map(f64::ln),
        Term::Call(function, terms) => number(&terms[0]).zip(number(&terms[1])).map(|(one, other)| match function {
            Function::Min => one.min(other),
            _ => one.max(other),
        }),
    };
    // Divided by zero, or the logarithm of a negative number: no value.
    result.filter(|number| !number.is_nan()).map_or(Value::Missing, Value::Number)
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Number(f64),
    Text(String),
    Sign(&'static str),
}

const SIGNS: [&str; 18] =
    ["||", "&&", "<=", ">=", "==", "!=", "<", ">", "!", "(", ")", "[", "]", ",", "+", "-", "*", "/"];

fn told(token: &Token) -> String {
    match token {
        Token::Name(name) => format!("`{name}`"),
        Token::Number(number) => format!("`{number}`"),
        Token::Text(text) => format!("`\"{text}\"`"),
        Token::Sign(sign) => format!("`{sign}`"),
    }
}

/// Cuts an expression into its signs and words, each with its place.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Mistake> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let mistake = |problem: String| Mistake { at, problem };
        let (token, length) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first == '"' || first == '`' {
            let inner = &rest[1..];
            let length = inner.find(first).ok_or_else(|| mistake(format!("a {first} without its other one")))?;
            let inner = inner[..length].to_owned();
            (if first == '"' { Token::Text(inner) } else { Token::Name(inner) }, length + 2)
        } else if first.is_ascii_digit() || first == '.' {
            let mut length = 0;
            let bytes = rest.as_bytes();
            while length < bytes.len() {
                let after_exponent = length > 0 && matches!(bytes[length - 1], b'e' | b'E');
                match bytes[length] {
                    b'0'..=b'9' | b'.' | b'e' | b'E' => length += 1,
                    b'+' | b'-' if after_exponent => length += 1,
                    _ => break,
                }
            }
            let number = rest[..length].parse().map_err(|_| mistake(format!("`{}` is no number", &rest[..length])))?;
            (Token::Number(number), length)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(sign), sign.len())
        } else if first.is_alphabetic() || first == '_' {
            let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
            let length = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
            let token = match &rest[..length] {
                "or" => Token::Sign("||"),
                "and" => Token::Sign("&&"),
                "not" => Token::Sign("!"),
                name => Token::Name(name.to_owned()),
            };
            (token, length)
        } else if first == '=' {
            return Err(mistake("`=` compares nothing: write `==`".to_owned()));
        } else {
            return Err(mistake(format!("`{first}` means nothing here")));
        };
        tokens.push((at, token));
        at += length;
    }
    Ok(tokens)
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
    names: Vec<String>,
    end: usize,
}

impl Parser {
    fn mistake<T>(&self, expected: &str) -> Result<T, Mistake> {
        let (at, problem) = match self.tokens.get(self.next) {
            Some((at, token)) => (*at, format!("{expected} is expected, not {}", told(token))),
            None => (self.end, format!("it ends where {expected} is expected")),
        };
        Err(Mistake { at, problem })
    }

    fn is_next(&self, sign: &str) -> bool {
        matches!(self.tokens.get(self.next), Some((_, Token::Sign(next))) if *next == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.is_next(sign);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Mistake> {
        if self.take(sign) { Ok(()) } else { self.mistake(&format!("`{sign}`")) }
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Mistake>) -> Result<T, Mistake> {
        if self.depth == MAX_DEPTH {
            let at = self.tokens.get(self.next).map_or(self.end, |(at, _)| *at);
            return Err(Mistake { at, problem: format!("it is nested more than {MAX_DEPTH} deep") });
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn any(&mut self) -> Result<Condition, Mistake> {
        let mut left = self.all()?;
        while self.take("||") {
            left = Condition::Any(Box::new(left), Box::new(self.all()?));
        }
        Ok(left)
    }

    fn all(&mut self) -> Result<Condition, Mistake> {
        let mut left = self.not()?;
        while self.take("&&") {
            left = Condition::All(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Condition, Mistake> {
        if self.take("!") {
            let inner = self.deeper(Self::not)?;
            return Ok(Condition::Not(Box::new(inner)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Condition, Mistake> {
        if let [(_, Token::Name(function)), (_, Token::Sign("(")), (_, Token::Name(name)), ..] =
            &self.tokens[self.next..]
            && function == "missing"
        {
            let name = name.clone();
            self.next += 3;
            self.expect(")")?;
            return Ok(Condition::Missing(self.name(name)));
        }
        if let [(_, Token::Name(function)), (_, Token::Sign("(")), ..] = &self.tokens[self.next..]
            && let Some(place) = match function.as_str() {
                "starts_with" => Some(Place::Start),
                "contains" => Some(Place::Anywhere),
                _ => None,
            }
        {
            self.next += 2;
            let whole = self.deeper(Self::sum)?;
            self.expect(",")?;
            let part = self.deeper(Self::sum)?;
            self.expect(")")?;
            return Ok(Condition::Within(place, whole, part));
        }
        // A parenthesis opens a condition or a number: whichever of the two can be read further.
        let (start, names) = (self.next, self.names.len());
        let mut mistake = None;
        if self.take("(") {
            let inner = self.deeper(Self::any).and_then(|inner| self.expect(")").map(|()| inner));
            match inner {
                Ok(inner) if !self.continues_a_term() => return Ok(inner),
                Ok(_) => {}
                Err(found) => mistake = Some(found),
            }
            self.next = start;
            self.names.truncate(names);
        }
        self.of_terms().map_err(|found| mistake.filter(|mistake| mistake.at > found.at).unwrap_or(found))
    }

    /// A comparison of two terms, or of one with a list.
    fn of_terms(&mut self) -> Result<Condition, Mistake> {
        let left = self.sum()?;
        const COMPARISONS: [(&str, Comparison); 6] = [
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("==", Comparison::Equal),
            ("!=", Comparison::Unequal),
            ("<", Comparison::Less),
            (">", Comparison::More),
        ];
        if let Some((_, comparison)) = COMPARISONS.into_iter().find(|(sign, _)| self.take(sign)) {
            let right = self.sum()?;
            if let Some((sign, _)) = COMPARISONS.into_iter().find(|(sign, _)| self.is_next(sign)) {
                let at = self.tokens[self.next].0;
                return Err(Mistake { at, problem: format!("`{sign}` after a comparison: join two with `&&`") });
            }
            return Ok(Condition::Compare(left, comparison, right));
        }
        if matches!(self.tokens.get(self.next), Some((_, Token::Name(word))) if word == "in") {
            self.next += 1;
            self.expect("[")?;
            let mut list = vec![self.sum()?];
            while self.take(",") {
                list.push(self.sum()?);
            }
            self.expect("]")?;
            return Ok(Condition::OneOf(left, list));
        }
        self.mistake("a comparison such as `<`")
    }

    /// Whether what follows makes a term of what was read: `(a) < b`, `(a) + b`.
    fn continues_a_term(&self) -> bool {
        match self.tokens.get(self.next) {
            Some((_, Token::Sign(sign))) => !matches!(*sign, "||" | "&&" | ")"),
            Some((_, Token::Name(word))) => word == "in",
            _ => false,
        }
    }

    fn sum(&mut self) -> Result<Term, Mistake> {
        self.left_to_right(&["+", "-"], Self::product)
    }

    fn product(&mut self) -> Result<Term, Mistake> {
        self.left_to_right(&["*", "/"], Self::unary)
    }

    fn left_to_right(
        &mut self,
        operators: &[&'static str],
        operand: fn(&mut Self) -> Result<Term, Mistake>,
    ) -> Result<Term, Mistake> {
        let mut left = operand(self)?;
        while let Some(operator) = operators.iter().find(|operator| self.take(operator)) {
            let operator = operator.chars().next().expect("one character");
            left = Term::Arithmetic(Box::new(left), operator, Box::new(operand(self)?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Term, Mistake> {
        if self.take("-") {
            return Ok(Term::Negative(Box::new(self.deeper(Self::unary)?)));
        }
        if self.take("(") {
            let inner = self.deeper(Self::sum)?;
            self.expect(")")?;
            return Ok(inner);
        }
        let Some((at, token)) = self.tokens.get(self.next).cloned() else {
            return self.mistake("a name or a number");
        };
        let term = match token {
            Token::Number(number) => Term::Number(number),
            Token::Text(text) => Term::Text(text),
            Token::Name(name) => {
                self.next += 1;
                if !self.is_next("(") {
                    return Ok(Term::Name(self.name(name)));
                }
                let (function, arguments) = match name.as_str() {
                    "min" => (Function::Min, 2),
                    "max" => (Function::Max, 2),
                    "log" => (Function::Log, 1),
                    "missing" => return Err(Mistake { at, problem: "`missing(…)` takes one name".to_owned() }),
                    _ => {
                        let known = "there are `missing`, `starts_with`, `contains`, `min`, `max`, `log`";
                        return Err(Mistake { at, problem: format!("there is no function `{name}`: {known}") });
                    }
                };
                self.expect("(")?;
                let mut terms = vec![self.deeper(Self::sum)?];
                while terms.len() < arguments {
                    self.expect(",")?;
                    terms.push(self.deeper(Self::sum)?);
                }
                self.expect(")")?;
                return Ok(Term::Call(function, terms));
            }
            Token::Sign(_) => return self.mistake("a name or a number"),
        };
        self.next += 1;
        Ok(term)
    }

    fn name(&mut self, name: String) -> usize {
        self.names.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_of(text: &str, known: &[(&str, Value<'static>)]) -> Option<bool> {
        let expression = Expression::parse(text).unwrap_or_else(|mistake| panic!("{text}: {mistake:?}"));
        let value =
            |name: &String| known.iter().find(|(known, _)| known == name).map_or(Value::Missing, |k| k.1.clone());
        expression.holds(&expression.names().iter().map(value).collect::<Vec<_>>())
    }

    #[test]
    fn operators_bind_as_in_arithmetic_and_logic() {
        let known = [("a", Value::Number(2.0)), ("b", Value::Number(5.0)), ("s", Value::Text("zh".into()))];
        for (text, expected) in [
            ("a < b", true),
            ("a + b * 2 == 12", true),
            ("(a + b) * 2 == 14", true),
            ("((a)) < (b)", true),
            ("-a < -1.5e0", true),
            ("a > 3 || b > 3 && a > 3", false),
            ("(a > 3 || b > 3) && a < 3", true),
            ("not a > 3 and not (b < 3 or a > b)", true),
            ("s == \"zh\"", true),
            ("s in [\"en\", \"zh\"] && a in [1, 2]", true),
            ("s != \"zh\"", false),
            ("s == 2", false),
            ("starts_with(s, \"z\") && contains(s, \"h\") && !contains(s, \"x\")", true),
            ("starts_with(s, \"h\") || contains(a, \"2\")", false),
            ("s < 2", false),
            ("s != 2", true),
            ("min(a, b) == 2 && max(a, b) == 5 && log(1) == 0", true),
            ("b - a - 1 == 2 && b / a / 5 == 0.5", true),
            ("`a` <= 2 && a >= 2", true),
            ("!(a in [b])", true),
        ] {
            assert_eq!(told_of(text, &known), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_unknown_unless_the_other_side_decides() {
        let known = [("a", Value::Number(2.0))];
        for (text, expected) in [
            ("x < 1", None),
            ("x + a < 1", None),
            ("a / 0 > 1", Some(true)),
            ("0 / 0 < a", None),
            ("log(-1) < a", None),
            ("x < 1 || a == 2", Some(true)),
            ("a == 2 || x < 1", Some(true)),
            ("x < 1 && a == 3", Some(false)),
            ("x < 1 && a == 2", None),
            ("!(x < 1)", None),
            ("missing(x) && !missing(a)", Some(true)),
            ("x in [1]", None),
            ("a in [x, 2]", Some(true)),
            ("a in [x, 3]", None),
            ("contains(x, \"a\")", None),
        ] {
            assert_eq!(told_of(text, &known), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let mistake = |text: &str| Expression::parse(text).expect_err(text);
        for (text, at, problem) in [
            ("", 0, "it ends where a name or a number is expected"),
            ("a <", 3, "it ends where a name or a number is expected"),
            ("a", 1, "it ends where a comparison such as `<` is expected"),
            ("a = 2", 2, "`=` compares nothing: write `==`"),
            ("a < 2 b", 6, "`b` is not expected here"),
            ("0 < a < 2", 6, "`<` after a comparison: join two with `&&`"),
            ("a < \"x", 4, "a \" without its other one"),
            (
                "f(a) < 2",
                0,
                "there is no function `f`: there are `missing`, `starts_with`, `contains`, `min`, `max`, `log`",
            ),
            ("a < 1.2.3", 4, "`1.2.3` is no number"),
            ("a # b", 2, "`#` means nothing here"),
            ("(a < 2", 6, "it ends where `)` is expected"),
            ("(a < 2 && (b > 1)", 17, "it ends where `)` is expected"),
            ("a < )", 4, "a name or a number is expected, not `)`"),
        ] {
            assert_eq!(mistake(text), Mistake { at, problem: problem.into() }, "{text}");
        }
        assert!(mistake(&"(".repeat(10_000)).problem.contains("deep"));
        assert!(mistake(&format!("a < {}1", "-".repeat(10_000))).problem.contains("deep"));
    }

    #[test]
    fn nested_parentheses_are_read_in_a_moment() {
        let nested = format!("{}a{} < 3", "(".repeat(20), ")".repeat(20));
        assert_eq!(told_of(&nested, &[("a", Value::Number(2.0))]), Some(true));
    }
}
