#![expect(clippy::print_stderr, reason = "a test says that it was skipped")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use yuan_pipeline::{Batch, Detail, Stage};

use super::*;

fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpora")).join(path);
    path.exists().then_some(path)
}

fn read(path: &Path) -> String {
    let file = std::fs::File::open(path).expect("a corpus file");
    String::from_utf8(zstd::decode_all(file).expect("zstd")).expect("UTF-8")
}

/// Texts and languages of a file of documents, the first `limit` of them.
fn documents(path: &Path, limit: usize) -> Vec<(String, String)> {
    let field = |record: &serde_json::Value, name| record[name].as_str().unwrap_or_default().to_owned();
    let records = read(path);
    let records = records.lines().take(limit).map(|line| serde_json::from_str(line).expect("JSON"));
    records.map(|record: serde_json::Value| (field(&record, "lang"), field(&record, "text"))).collect()
}

/// Right answers and all answers for each language of a table of sentences.
fn accuracy(table: &str) -> BTreeMap<&str, (u32, u32)> {
    let mut found: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for line in table.lines() {
        let (language, text) = line.split_once('\t').expect("two columns");
        let expected = match language {
            "zh" => "zh-Hans",
            "zh_hant" => "zh-Hant",
            other => other,
        };
        let row = found.entry(language).or_default();
        row.0 += u32::from(LanguageId::default().identify(text).language == expected);
        row.1 += 1;
    }
    found
}

fn fraction((right, all): (u32, u32)) -> f64 {
    f64::from(right) / f64::from(all)
}

fn macro_average(rows: &BTreeMap<&str, (u32, u32)>) -> f64 {
    rows.values().map(|row| fraction(*row)).sum::<f64>() / rows.len() as f64
}

#[test]
fn sentences_are_identified_as_well_as_measured() {
    let rows = accuracy(include_str!("../../../tests/fixtures/language/devtest_sample.tsv"));
    assert_eq!(rows.len(), 33);
    let average = macro_average(&rows);
    assert!(average >= 0.96, "{average}: {rows:?}");
}

#[test]
fn all_development_sentences_are_identified_as_well_as_measured() {
    let Some(path) = shared("lang/devtest.tsv.zst") else {
        eprintln!("skipped: no ../shared/corpora/lang/devtest.tsv.zst");
        return;
    };
    let table = read(&path);
    let rows = accuracy(&table);
    let average = macro_average(&rows);
    assert!(average >= 0.97, "{average}: {rows:?}");
    for pure in ["bn", "el", "he", "ja", "ko", "ta", "th"] {
        assert_eq!(rows[pure].0, rows[pure].1, "{pure}");
    }
}

/// Sentences of everyday life, two or three of each language that is known from words alone or nearly so, written
/// for this test.
const NEIGHBOURS: [(&str, &str); 25] = [
    ("be", "Учора мы ездзілі ў вёску да бабулі, і яна спякла для нас вялікі пірог. Надвор'е было вельмі добрае."),
    ("sr", "Јуче смо ишли код баке на село и она је за нас испекла велику питу. Време је било веома лепо."),
    ("mk", "Вчера бевме кај баба на село и таа ни испече голема пита. Времето беше многу убаво."),
    ("kk", "Кеше біз ауылға әжемізге бардық, ол бізге үлкен нан пісіріп берді. Ауа райы өте жақсы болды."),
    ("ky", "Кечээ биз айылга чоң энебизге бардык, ал бизге чоң нан бышырып берди. Аба ырайы абдан жакшы болду."),
    ("ur", "کل ہم اپنی دادی کے گھر گئے تھے اور انہوں نے ہمارے لیے کھانا پکایا۔ موسم بہت اچھا تھا۔"),
    ("mr", "काल आम्ही आजीच्या गावाला गेलो होतो आणि तिने आमच्यासाठी जेवण बनवले. हवामान खूप छान होते."),
    ("ne", "हिजो हामी हजुरआमाको घर गएका थियौं र उहाँले हाम्रो लागि खाना पकाउनुभयो। मौसम धेरै राम्रो थियो।"),
    ("af", "Gister het ons na ouma se plaas gery en sy het vir ons 'n groot koek gebak. Die weer was baie mooi."),
    ("ca", "Ahir vam anar al poble a veure l'àvia i ens va fer un pastís molt gran. Feia molt bon temps."),
    ("eo", "Hieraŭ ni iris al la vilaĝo de nia avino kaj ŝi bakis por ni grandan kukon. La vetero estis tre bela."),
    ("et", "Eile sõitsime maale vanaema juurde ja ta küpsetas meile suure koogi. Ilm oli väga ilus."),
    ("hr", "Jučer smo išli kod bake na selo i ona nam je ispekla veliku pitu. Vrijeme je bilo vrlo lijepo."),
    ("lt", "Vakar važiavome į kaimą pas močiutę ir ji mums iškepė didelį pyragą. Oras buvo labai gražus."),
    ("lv", "Vakar mēs braucām uz laukiem pie vecmāmiņas, un viņa mums izcepa lielu kūku. Laiks bija ļoti labs."),
    ("nb", "I går dro vi til bestemor på landet, og hun bakte en stor kake til oss. Været var veldig fint."),
    ("sk", "Včera sme išli na dedinu k starej mame a ona nám upiekla veľký koláč. Počasie bolo veľmi pekné."),
    ("sl", "Včeraj smo šli na deželo k babici in spekla nam je veliko potico. Vreme je bilo zelo lepo."),
    ("sq", "Dje shkuam në fshat te gjyshja dhe ajo na gatoi një byrek të madh. Moti ishte shumë i bukur."),
    ("sw", "Jana tulikwenda kijijini kwa bibi yetu na alitupikia chakula kizuri sana. Hali ya hewa ilikuwa nzuri."),
    ("tl", "Kahapon ay pumunta kami sa bahay ng lola namin at nagluto siya ng masarap na pagkain para sa amin."),
    (
        "cy",
        "Ddoe aethom ni i weld mam-gu yn y pentref ac roedd hi wedi gwneud cacen fawr i ni. Roedd y tywydd yn braf.",
    ),
    ("ga", "Chuaigh muid chuig teach mo mháthair mhór inné agus rinne sí cáca mór dúinn. Bhí an aimsir go hálainn."),
    ("is", "Í gær fórum við til ömmu í sveitinni og hún bakaði stóra köku handa okkur. Veðrið var mjög gott."),
    ("eu", "Atzo amonaren etxera joan ginen eta tarta handi bat egin zuen guretzat. Eguraldi oso ona egin zuen."),
];

#[test]
fn neighbours_are_told_apart() {
    let found = |text| identify(text, 4096).language;
    let wrong: Vec<_> = NEIGHBOURS.iter().filter(|(language, text)| found(text) != *language).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn of_two_languages_the_longer_one_counts() {
    let (polish, thai) = ("Wczoraj pojechaliśmy na wieś do babci. ", "เมื่อวานเราไปเยี่ยมคุณยายที่บ้าน ");
    let chinese = "昨天我们去乡下看奶奶。";
    let found = |parts: [&str; 3]| identify(&parts.concat(), 4096).language;
    assert_eq!(found([polish, polish, chinese]), "pl");
    assert_eq!(found([polish, chinese, chinese]), "zh-Hans");
    assert_eq!(found([thai, thai, chinese]), "th");
    // Names and terms are English, however many.
    assert_eq!(found(["安装 ", "pip install requests numpy pandas matplotlib ", "之后再运行脚本"]), "zh-Hans");
}

#[test]
fn scores_mean_what_they_say() {
    let table = include_str!("../../../tests/fixtures/language/devtest_sample.tsv");
    let (mut score, mut right, mut all) = (0.0, 0, 0);
    for line in table.lines() {
        let (language, text) = line.split_once('\t').expect("two columns");
        let found = identify(text, 4096);
        score += f64::from(found.score);
        right += u32::from(found.language.split('-').next() == language.split('_').next());
        all += 1;
    }
    let (score, right) = (score / f64::from(all), f64::from(right) / f64::from(all));
    assert!((score - right).abs() < 0.04, "mean score {score}, right {right}");
    // No language has a passage like these.
    for garbled in ["qxzvbk wrtplkj hgfdsq mnbvcx zlkjhg pqwert yxcvbn", "fhqwhgads xkcdzz bbqrst plmokn ijbuhv ygctfx"]
    {
        let found = identify(garbled, 4096);
        assert!(found.score < 0.9, "{found:?}");
    }
}

#[test]
fn chinese_documents_are_chinese_however_much_code_they_hold() {
    let Some(folder) = shared("docs") else {
        eprintln!("skipped: no ../shared/corpora/docs");
        return;
    };
    for name in ["classical", "laws", "novels", "oiwiki", "paddle", "poetry", "pydocs", "react", "tidb", "vue"] {
        let documents = documents(&folder.join(format!("zh_{name}.jsonl.zst")), 150);
        let chinese =
            documents.iter().filter(|(_, text)| LanguageId::default().identify(text).language.starts_with("zh"));
        let found = fraction((chinese.count() as u32, documents.len() as u32));
        assert!(found >= 0.985, "{name}: {found}");
    }
    for name in ["peps", "eips", "d2l"] {
        let documents = documents(&folder.join(format!("en_{name}.jsonl.zst")), 150);
        let english = documents.iter().filter(|(_, text)| LanguageId::default().identify(text).language == "en");
        let found = fraction((english.count() as u32, documents.len() as u32));
        assert!(found >= 0.985, "{name}: {found}");
    }
}

#[test]
fn the_stage_adds_columns_and_drops() {
    let texts = ["The cat sat on the mat.", "猫坐在垫子上，这是事实。", "123", "貓坐在墊子上，這是事實。"];
    let stage = LanguageId { keep: vec!["zh".into(), "und".into()], ..LanguageId::default() };
    let stage = stage.build().expect("sound");
    let batch = stage.process(Batch::of_texts(&texts)).expect("processed");
    let languages: Vec<_> = (0..4).map(|row| batch.document(row).str("language").expect("a language")).collect();
    assert_eq!(languages, ["en", "zh-Hans", "und", "zh-Hant"]);
    assert_eq!(batch.document(1).f64("language_score"), Some(1.0));
    assert_eq!(batch.document(2).f64("language_score"), Some(0.0));
    let reason = batch.reason(0).expect("dropped");
    assert_eq!((reason.code, &reason.detail), ("language_not_kept", &Detail::Text("en".into())));
    assert_eq!(batch.live_rows(), 3);
    let findings = stage.explain(&batch.document(0));
    assert!(findings[0].value < findings[0].threshold && findings[1].value >= findings[1].threshold);
}

#[test]
fn the_config_reads_what_it_writes() {
    let text = serde_json::to_string(&LanguageId::default()).expect("JSON");
    assert_eq!(serde_json::from_str::<LanguageId>(&text).expect("a config"), LanguageId::default());
    assert!(serde_json::from_str::<LanguageId>(r#"{"kept": []}"#).is_err());
}
