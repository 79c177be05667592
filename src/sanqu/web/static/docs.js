"use strict";
window.addEventListener("load", () => {
  const box = document.getElementById("swagger");
  window.SwaggerUIBundle({ url: box.dataset.url, domNode: box, docExpansion: "list", defaultModelsExpandDepth: -1, validatorUrl: null });
});
