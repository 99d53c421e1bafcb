// The API, described from /openapi.json, with a form to try each address. Everything comes from this server.

import { h, plural, say, scrollArea, sentence } from "./dom.js";

const GROUPS = { reading: "Reading faces", studies: "Studies", server: "The server" };
let token = "";

start();

async function start() {
  const root = document.getElementById("docs");
  try {
    const document_ = await (await fetch("openapi.json")).json();
    root.replaceChildren(...page(document_));
    open();
    window.addEventListener("hashchange", open);
  } catch {
    root.replaceChildren(
      h(
        "div",
        { class: "card note" },
        h("h2", { text: "The server does not answer" }),
        h("p", { class: "soft", text: "Start it again, then reload this page." }),
      ),
    );
  }
}

/** Show what the address points to, such as #busy or #ReadAnswer. */
function open() {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = id && document.getElementById(id);
  if (!target) return;
  if (target.tagName === "DETAILS") target.open = true;
  target.scrollIntoView({ block: "center" });
}

function page(api) {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, each]) => ({ path, method, ...each })),
  );
  const groups = Object.entries(GROUPS).map(([tag, title]) => {
    const inside = operations.filter((each) => each.tags?.includes(tag));
    return inside.length
      ? h(
          "div",
          { class: "docs-group" },
          h("h2", { text: title }),
          inside.map((each) => operation(api, each)),
        )
      : null;
  });
  const field = h("input", { type: "password", autocomplete: "off", id: "docs-token" });
  field.addEventListener("input", () => (token = field.value.trim()));
  return [
    h("div", { class: "hero small" }, h("h1", { text: "API" }), h("p", { class: "lead", text: api.info.description })),
    h(
      "div",
      { class: "docs-intro" },
      h("p", { class: "soft" }, `mien ${api.info.version}, `, h("a", { href: "openapi.json", text: "openapi.json" })),
      api.components.securitySchemes ? h("label", { class: "token-field" }, "Token ", field) : null,
    ),
    ...groups.filter(Boolean),
    h("div", { class: "docs-group" }, h("h2", { text: "Problems" }), problems(api["x-problems"] ?? {})),
    h(
      "div",
      { class: "docs-group" },
      h("h2", { text: "Shapes of answers" }),
      Object.entries(api.components.schemas).map(([name, each]) => schema(name, each)),
    ),
  ];
}

function operation(api, { path, method, description = "", parameters = [], requestBody, responses }) {
  const [first, ...rest] = description.split("\n\n");
  const ok = responses["200"]?.content ?? {};
  const shape = ok["application/json"]?.schema?.$ref?.split("/").pop();
  const rows = Object.entries(responses).filter(([status]) => status !== "200");
  return h(
    "details",
    { class: "card operation", id: `${method}${path}` },
    h(
      "summary",
      {},
      h("span", { class: `method ${method}`, text: method.toUpperCase() }),
      h("code", { text: path }),
      h("span", { class: "soft", text: first.replaceAll("\n", " ") }),
    ),
    h(
      "div",
      { class: "operation-body" },
      h(
        "div",
        {},
        rest.map((text) => h("p", { text: text.replaceAll("\n", " ") })),
        requestBody
          ? h(
              "div",
              {},
              h("h3", { text: "Body" }),
              h("p", {}, requestBody.description),
              h(
                "p",
                { class: "soft" },
                Object.keys(requestBody.content).map((type, i) => [i ? " or " : "", h("code", { text: type })]),
              ),
            )
          : null,
        parameters.length
          ? h(
              "div",
              {},
              h("h3", { text: "Parameters" }),
              h(
                "table",
                { class: "plain" },
                h(
                  "tbody",
                  {},
                  parameters.map((each) =>
                    h(
                      "tr",
                      {},
                      h("th", { scope: "row" }, h("code", { text: each.name })),
                      h("td", { class: "soft", text: `${typeOf(each.schema)}${each.required ? ", required" : ""}` }),
                      h("td", { text: each.description ?? "" }),
                    ),
                  ),
                ),
              ),
            )
          : null,
        h(
          "div",
          {},
          h("h3", { text: "Answers" }),
          h(
            "table",
            { class: "plain" },
            h(
              "tbody",
              {},
              h(
                "tr",
                {},
                h("th", { scope: "row", text: "200" }),
                h("td", {}, shape ? h("a", { href: `#${shape}`, text: shape }) : (Object.keys(ok)[0] ?? "")),
              ),
              rows.map(([status, each]) =>
                h(
                  "tr",
                  {},
                  h("th", { scope: "row", text: status }),
                  h("td", { class: "soft", text: each.description }),
                ),
              ),
            ),
          ),
        ),
      ),
      h(
        "div",
        {},
        h(
          "div",
          {},
          h("h3", { text: "From a shell" }),
          h("pre", { tabindex: "0" }, h("code", { text: curl(api, path, method, requestBody) })),
        ),
        form(path, method, parameters, requestBody),
      ),
    ),
  );
}

function curl(api, path, method, body) {
  const base = `${location.origin}${location.pathname.replace(/\/docs$/, "")}`;
  const lines = [`curl ${base}${path.replace("{name}", "NAME")}`];
  if (api.paths[path][method].security) lines.push('  -H "Authorization: Bearer $MIEN_TOKEN"');
  if (!body) return lines.join(" \\\n");
  const one = [...lines, '  -H "Content-Type: image/jpeg" --data-binary @photo.jpg'].join(" \\\n");
  return path.endsWith("explain")
    ? one
    : `${one}\n\n${[...lines, "  -F pictures=@a.jpg -F pictures=@b.png"].join(" \\\n")}`;
}

function form(path, method, parameters, body) {
  const fields = parameters.map((each) => {
    const input =
      each.schema.type === "boolean"
        ? h("input", { type: "checkbox" })
        : each.schema.enum
          ? h(
              "select",
              {},
              each.schema.enum.map((value) => h("option", { value, text: value || "(the likeliest)" })),
            )
          : h("input", { type: "text" });
    return { each, input, label: h("label", {}, h("code", { text: each.name }), input) };
  });
  const file = body ? h("input", { type: "file", accept: "image/*", multiple: !path.endsWith("explain") }) : null;
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  const button = h("button", { class: "button small", type: "submit" }, "Send");
  const element = h(
    "form",
    { class: "try" },
    h("h3", { text: "Try it" }),
    fields.map((field) => field.label),
    file ? h("label", {}, "Pictures ", file) : null,
    h("div", { class: "row" }, button),
    answer,
  );
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await send(path, method, fields, file, answer);
    } finally {
      button.disabled = false;
    }
  });
  return element;
}

async function send(path, method, fields, file, answer) {
  const query = new URLSearchParams();
  let address = path.slice(1);
  for (const { each, input } of fields) {
    const value = input.type === "checkbox" ? (input.checked ? "true" : "") : input.value;
    if (each.in === "path") address = address.replace(`{${each.name}}`, encodeURIComponent(value));
    else if (value) query.set(each.name, value);
  }
  const options = { method: method.toUpperCase(), headers: token ? { Authorization: `Bearer ${token}` } : {} };
  if (file) {
    const files = [...file.files];
    if (files.length === 1) {
      [options.body] = files;
      options.headers["Content-Type"] = files[0].type || "application/octet-stream";
    } else if (files.length) {
      options.body = new FormData();
      for (const each of files) options.body.append("pictures", each, each.name);
    }
  }
  const began = performance.now();
  try {
    const response = await fetch(query.size ? `${address}?${query}` : address, options);
    const text = await response.text();
    const took = `${response.status} after ${Math.round(performance.now() - began)} ms, ${plural(text.length, "byte")}`;
    answer.replaceChildren(
      h("p", { class: "soft", text: took }),
      h("pre", { tabindex: "0" }, h("code", { text: pretty(text) })),
    );
    say(took);
  } catch (error) {
    answer.replaceChildren(h("p", { class: "worse", text: sentence(`no answer: ${error.message}`) }));
  }
}

function pretty(text) {
  try {
    const short = (_key, value) =>
      typeof value === "string" && value.length > 400 ? `${value.slice(0, 60)}… (${value.length} characters)` : value;
    const whole = JSON.stringify(JSON.parse(text), short, 2).replace(
      /\[\s+([-\d.,\s]+?)\s+\]/g,
      (_match, inner) => `[${inner.replace(/\s+/g, " ")}]`,
    );
    return whole.length > 20_000 ? `${whole.slice(0, 20_000)}\n…` : whole;
  } catch {
    return text.slice(0, 20_000);
  }
}

function problems(kinds) {
  return h(
    "dl",
    { class: "card problems" },
    Object.entries(kinds).map(([kind, { status, title, about }]) =>
      h(
        "div",
        { id: kind },
        h("dt", {}, `${title} `, h("span", { class: "soft", text: `${status}, ${kind}` })),
        h("dd", { class: "soft", text: about }),
      ),
    ),
  );
}

function schema(name, { description, properties = {} }) {
  return h(
    "details",
    { class: "card schema", id: name },
    h("summary", { text: name }),
    description ? h("p", { class: "soft", text: description }) : null,
    scrollArea(
      `Fields of ${name}`,
      h(
        "table",
        { class: "plain" },
        h(
          "tbody",
          {},
          Object.entries(properties).map(([key, each]) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, h("code", { text: key })),
              h("td", { class: "soft", text: typeOf(each) }),
              h("td", { text: each.description ?? "" }),
            ),
          ),
        ),
      ),
    ),
  );
}

/** A schema's type in a few words: "list of Face", "number or null". */
function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array")
    return schema.prefixItems
      ? `list of ${schema.prefixItems.length} ${typeOf(schema.prefixItems[0])}s`
      : `list of ${typeOf(schema.items)}`;
  if (schema.type === "object" && schema.additionalProperties)
    return `object of ${typeOf(schema.additionalProperties)}`;
  return schema.type ?? "anything";
}
