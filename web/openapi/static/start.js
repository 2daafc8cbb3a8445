SwaggerUIBundle({ url: "openapi.json", dom_id: "#routes", deepLinking: true, filter: true, validatorUrl: null });
