// Starts Swagger UI. A file of its own, because the page's content policy allows no inline script.
"use strict";

// Swagger UI has a dark scheme, but does not ask the system for it.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

SwaggerUIBundle({
  url: document.currentScript.dataset.document,
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: false,
  persistAuthorization: true,
  validatorUrl: null,
});
