//! Chat templates.

use serde_json::json;
use treelora_cl_bench::text::{Date, Encoding, TokenLimits, Tokenizer, TruncationSide};

use crate::{record, tiny_tokenizer, write, write_json};

/// In the manner of ChatML, with what real templates use: loops, methods, negative indices, macros.
const CHATML: &str = "\
{{ bos_token }}{% if messages[0]['role'] != 'user' %}
    {{ raise_exception('the user speaks first') }}
{% endif %}
{% for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' + message.content.strip() + '<|im_end|>\\n' -}}
{% endfor %}
{% if add_generation_prompt and messages[-1].role == 'user' %}
{{- '<|im_start|>assistant\\n' -}}
{% endif %}";

fn with_template(template: &str) -> (tempfile::TempDir, Tokenizer) {
    let (folder, _) = tiny_tokenizer();
    write_json(
        folder.path(),
        "tokenizer_config.json",
        &json!({ "bos_token": "<|bos|>", "eos_token": "<|eos|>", "chat_template": template }),
    );
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    (folder, tokenizer)
}

#[test]
fn a_prompt_is_put_into_the_frame() {
    let (folder, tokenizer) = with_template(CHATML);
    let template = tokenizer.chat_template().unwrap();
    let expected = "<|bos|><|im_start|>user\nthe cat?<|im_end|>\n<|im_start|>assistant\n";
    assert_eq!(template.render(" the cat? ").unwrap(), expected);
    // A file of its own goes before the configuration.
    let alone = "{{ messages[0].content | upper }}";
    write(folder.path(), "chat_template.jinja", alone);
    assert_eq!(tokenizer.chat_template().unwrap().render("a").unwrap(), "A");
}

#[test]
fn templates_by_name_offer_the_default_one() {
    let (folder, tokenizer) = tiny_tokenizer();
    let named = json!({ "chat_template": [
        { "name": "tool_use", "template": "tools" },
        { "name": "default", "template": "[{{ messages[0].content }}]" },
    ]});
    write_json(folder.path(), "tokenizer_config.json", &named);
    assert_eq!(
        tokenizer.chat_template().unwrap().render("a").unwrap(),
        "[a]"
    );
}

#[test]
fn a_template_has_the_day_where_one_is_given() {
    // As LLaMA 3.2 asks for it.
    let template = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% else %}some day{% endif %}: \
                    {{ messages[0].content }}";
    let (_folder, tokenizer) = with_template(template);
    assert!(tokenizer.chat_template().unwrap().reads_clock());
    let mut encoding = Encoding {
        chat_template: true,
        ..Encoding::default()
    };
    let text = |encoding: &Encoding| {
        let prompt = encoding.prompt(&tokenizer, "the cat", 99).unwrap();
        tokenizer.decode(&prompt.ids).unwrap()
    };
    assert_eq!(text(&encoding), "some day: the cat");
    encoding.date = Date::parse("2026-11-28");
    assert_eq!(text(&encoding), "28 Nov 2026: the cat");
    let (_folder, tokenizer) = with_template("{{ strftime_now('%Q') }}");
    let template = tokenizer.chat_template().unwrap();
    let error = template.with_date(Date::from_unix(0)).render("a");
    assert!(error.unwrap_err().to_string().contains("`%Q`"));
}

#[test]
fn a_frame_is_found_around_json() {
    let (_folder, tokenizer) = with_template("{{ messages | tojson }}!");
    let (before, after) = tokenizer.chat_template().unwrap().frame().unwrap();
    assert_eq!(before, "[{\"role\": \"user\", \"content\": \"");
    assert_eq!(after, "\"}]!");
}

#[test]
fn what_a_template_refuses_or_lacks_is_an_error() {
    let (_folder, tokenizer) = tiny_tokenizer();
    let error = tokenizer.chat_template().unwrap_err().to_string();
    assert!(error.contains("tokenizer_config.json"), "{error}");
    let (_folder, tokenizer) = with_template("{% for x in %}");
    let error = tokenizer.chat_template().unwrap_err().to_string();
    assert!(error.contains("tokenizer_config.json"), "{error}");
    let (_folder, tokenizer) = with_template("{{ raise_exception('not for you') }}");
    let template = tokenizer.chat_template().unwrap();
    let error = template.render("a").unwrap_err().to_string();
    assert!(error.contains("not for you"), "{error}");
    let (folder, _) = tiny_tokenizer();
    let named = json!({ "chat_template": { "tool_use": "tools" } });
    write_json(folder.path(), "tokenizer_config.json", &named);
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    let error = tokenizer.chat_template().unwrap_err().to_string();
    assert!(
        error.contains("`default`") && error.contains("tool_use"),
        "{error}"
    );
    let (_folder, tokenizer) = with_template("nothing");
    assert!(tokenizer.chat_template().unwrap().frame().is_err());
}

#[test]
fn a_cut_prompt_keeps_its_frame() {
    let (_folder, tokenizer) = with_template(CHATML);
    let text = "the cat sat on the mat and the dog sat on the cat ".repeat(9);
    let (before, after) = tokenizer.chat_template().unwrap().frame().unwrap();
    let [before, after] = [before, after].map(|text| tokenizer.encode(&text).unwrap());
    let bare = tokenizer.encode(text.trim()).unwrap();
    let encoding = Encoding {
        chat_template: true,
        truncation: TruncationSide::Left,
        ..Encoding::default()
    };
    let room = 10;
    let limit = before.len() + after.len() + room;
    let prompt = encoding.prompt(&tokenizer, &text, limit).unwrap();
    let expected = [&before[..], &bare[bare.len() - room..], &after].concat();
    assert_eq!(prompt.ids, expected);
    assert_eq!(prompt.cut, bare.len() - room);
    let fits = encoding.prompt(&tokenizer, "the cat", 400).unwrap();
    let rendered = tokenizer
        .chat_template()
        .unwrap()
        .render("the cat")
        .unwrap();
    assert_eq!(fits.ids, tokenizer.encode(&rendered).unwrap());
    assert_eq!(
        fits.ids.iter().filter(|id| **id == 1).count(),
        1,
        "one beginning"
    );
    let limits = TokenLimits {
        prompt: limit,
        answer: 9,
    };
    let examples = encoding
        .records(&tokenizer, &[record(&text, "3")], limits)
        .unwrap();
    assert_eq!(examples[0].prompt.ids, expected);
}
