"""Pairs of addresses: whether they are one page's, and what w3lib, url-normalize and courlan make of them.

python tests/oracle/dedup_urls.py > tests/fixtures/dedup/urls.tsv
with w3lib 2.5.0, url-normalize 3.1.0 and courlan 1.4.0. The third column is what `exact` with `key = "url"` is to say, by the rule
named in the last; the others are what each tool says of the pair. A pair on which no tool agrees has its reason in the rule.
"""

from courlan import normalize_url
from url_normalize import url_normalize
from w3lib.url import canonicalize_url

E = "http://example.com"
# (rule, same?, one, other)
CASES = [
    ("host case", True, "http://EXAMPLE.com/a", E + "/a"),
    ("scheme case", True, "HTTP://example.com/a", E + "/a"),
    ("path case counts", False, E + "/A", E + "/a"),
    ("query case counts", False, E + "/?q=A", E + "/?q=a"),
    ("default port", True, "http://example.com:80/a", E + "/a"),
    ("default port", True, "https://example.com:443/a", "https://example.com/a"),
    ("empty port", True, "http://example.com:/a", E + "/a"),
    ("other port counts", False, "http://example.com:8080/a", E + "/a"),
    ("port of the other scheme counts", False, "http://example.com:443/a", E + "/a"),
    ("empty path", True, "http://example.com", "http://example.com/"),
    ("empty path before a query", True, "http://example.com?q=1", "http://example.com/?q=1"),
    ("fragment", True, E + "/a#top", E + "/a"),
    ("fragment after a query", True, E + "/a?b=1#x", E + "/a?b=1"),
    ("fragment that names a page (ours: single-page applications)", False, E + "/#!/one", E + "/#!/two"),
    ("fragment that names a page (ours: single-page applications)", False, E + "/#/one", E + "/#/two"),
    ("dot segments", True, E + "/a/./b", E + "/a/b"),
    ("dot segments", True, E + "/a/../b", E + "/b"),
    ("dot segments above the root", True, E + "/../a", E + "/a"),
    ("dot segment at the end", True, E + "/a/b/..", E + "/a/"),
    ("escaped dot segments (ours: as WHATWG's parser)", True, E + "/a/%2e%2e/b", E + "/b"),
    ("escapes of unreserved characters", True, E + "/%7Euser", E + "/~user"),
    ("escapes of letters", True, E + "/%61bc", E + "/abc"),
    ("case of escapes", True, E + "/%e4%b8%ad", E + "/%E4%B8%AD"),
    ("characters beyond ASCII", True, E + "/中文", E + "/%E4%B8%AD%E6%96%87"),
    ("characters beyond ASCII in a query", True, E + "/?q=中文", E + "/?q=%E4%B8%AD%E6%96%87"),
    ("escaped slash counts", False, E + "/a%2Fb", E + "/a/b"),
    ("escaped question mark counts", False, E + "/a%3Fb", E + "/a?b"),
    ("escaped ampersand counts", False, E + "/?a=1%26b=2", E + "/?a=1&b=2"),
    ("space in a path", True, E + "/a b", E + "/a%20b"),
    ("space in a query", True, E + "/?q=a b", E + "/?q=a%20b"),
    ("plus in a query is a space", True, E + "/?q=a+b", E + "/?q=a%20b"),
    ("plus in a path is a plus", False, E + "/a+b", E + "/a%20b"),
    ("plus that is escaped counts", False, E + "/?q=a%2Bb", E + "/?q=a+b"),
    ("order of parameters", True, E + "/?b=2&a=1", E + "/?a=1&b=2"),
    ("order of values counts not", True, E + "/?a=2&a=1", E + "/?a=1&a=2"),
    ("repeated parameter counts", False, E + "/?a=1&a=1", E + "/?a=1"),
    ("empty query", True, E + "/a?", E + "/a"),
    ("empty parameters (ours: they name nothing)", True, E + "/?a=1&&b=2&", E + "/?a=1&b=2"),
    ("parameter without a value", True, E + "/?a=", E + "/?a"),
    ("values count", False, E + "/?id=1", E + "/?id=2"),
    ("tracking", True, E + "/a?utm_source=x&utm_medium=y", E + "/a"),
    ("tracking among others", True, E + "/a?id=3&utm_campaign=z", E + "/a?id=3"),
    ("tracking", True, E + "/a?gclid=Ab1", E + "/a"),
    ("tracking", True, E + "/a?fbclid=Ab1", E + "/a"),
    ("tracking (ours: case of the name)", True, E + "/a?UTM_Source=x", E + "/a"),
    ("tracking of Alibaba (ours)", True, E + "/a?spm=a2.1", E + "/a"),
    ("what only looks like tracking", False, E + "/a?utmost=1", E + "/a"),
    ("session (ours)", True, E + "/a?PHPSESSID=123&id=3", E + "/a?id=3"),
    ("session in the path (ours)", True, E + "/a;jsessionid=1A2B?x=1", E + "/a?x=1"),
    ("scheme (ours: the two give the same page)", True, "http://example.com/a", "https://example.com/a"),
    ("www (ours: both give the same page)", True, "http://www.example.com/a", E + "/a"),
    ("another subdomain counts", False, "http://m.example.com/a", E + "/a"),
    ("www alone is a name", False, "http://www.com/a", "http://com/a"),
    ("slash at the end (ours: most servers send one to the other)", True, E + "/a/", E + "/a"),
    ("slash at the end before a query (ours)", True, E + "/a/?b=1", E + "/a?b=1"),
    ("user and password (ours: not the page)", True, "http://user:pass@example.com/a", E + "/a"),
    ("dot at the end of the host", True, "http://example.com./a", E + "/a"),
    ("international name", True, "http://bücher.example/a", "http://xn--bcher-kva.example/a"),
    ("international name in Chinese", True, "http://中国.中国/a", "http://xn--fiqs8s.xn--fiqs8s/a"),
    ("international name, case", True, "http://BÜCHER.example/a", "http://bücher.example/a"),
    ("ideographic full stop", True, "http://例え。テスト/a", "http://例え.テスト/a"),
    ("white space around", True, "  http://example.com/a ", E + "/a"),
    ("no scheme (ours: what the web means)", True, "//example.com/a", E + "/a"),
    ("no scheme at all (ours)", True, "example.com/a", E + "/a"),
    ("backslashes (ours: as WHATWG's parser)", True, "http://example.com\\a\\b", E + "/a/b"),
    ("IPv6", True, "http://[2001:DB8::1]:80/a", "http://[2001:db8::1]/a"),
    ("two slashes in the path count", False, E + "//a", E + "/a"),
    ("file extension counts", False, E + "/a.html", E + "/a"),
    ("index page counts", False, E + "/index.html", E + "/"),
    ("other host", False, "http://example.org/a", E + "/a"),
    ("mail counts as it stands", False, "mailto:a@example.com", "mailto:b@example.com"),
    ("invalid escape is itself", False, E + "/%zz", E + "/%zy"),
    ("semicolons are no separators", False, E + "/?a=1;b=2", E + "/?a=1&b=2"),
]


def says(normalize, one, other):
    try:
        return "same" if normalize(one) == normalize(other) else "other"
    except Exception as error:
        return type(error).__name__


def main():
    print("one\tother\texpected\tw3lib\turl_normalize\tcourlan\trule")
    tools = [canonicalize_url, url_normalize, normalize_url]
    for rule, same, one, other in CASES:
        expected = "same" if same else "other"
        said = [says(tool, one, other) for tool in tools]
        if expected not in said:
            assert "(ours" in rule, (rule, said)
        print("\t".join([one, other, expected, *said, rule]))


main()
