const api = "/settings/api-keys/api/";
const at = (id) => document.getElementById(id);

async function call(method, path, body, headers = {}) {
	if (body) headers["Content-Type"] = "application/json";
	const resp = await fetch(api + path, { method, headers, body: body && JSON.stringify(body) });
	const answer = await resp.json().catch(() => ({}));
	if (!resp.ok) throw new Error(answer.error ?? `the answer was ${resp.status}`);
	return answer;
}

function element(name, text) {
	const made = document.createElement(name);
	made.textContent = text;
	return made;
}

async function list() {
	const { keys } = await call("GET", "keys");
	at("keys").replaceChildren(...keys.map((key) => {
		const row = element("li", `${key.name} ${key.prefix} ${key.status} `);
		const button = element("button", "Rotate");
		button.onclick = () => attempt(() => call("POST", `keys/${key.id}/rotate`, { overlap: "24h" }));
		if (key.status === "active") row.append(button);
		return row;
	}));
}

// attempt shows the token that was made, or what went wrong.
async function attempt(work) {
	at("told").textContent = at("token").textContent = "";
	try {
		at("token").textContent = (await work()).token;
		await list();
	} catch (error) {
		at("told").textContent = error.message;
	}
	at("once").hidden = !at("token").textContent;
}

let once = crypto.randomUUID(); // the same again for what is sent again
at("form").oninput = () => { once = crypto.randomUUID(); };
at("form").onsubmit = (event) => {
	event.preventDefault();
	const form = new FormData(event.target);
	const key = { name: form.get("name"), scopes: form.getAll("scope") };
	attempt(() => call("POST", "keys", key, { "Idempotency-Key": once }));
};

try {
	const { scopes } = await call("GET", "policy");
	at("scopes").append(...scopes.map((scope) => {
		const label = element("label", scope);
		label.prepend(Object.assign(element("input"), { type: "checkbox", name: "scope", value: scope }));
		return label;
	}));
	await list();
} catch (error) {
	at("told").textContent = error.message;
}
