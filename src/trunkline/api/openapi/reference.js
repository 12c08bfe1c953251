Scalar.createApiReference('#reference', {
  url: '/openapi/sms.json',
  // Nothing here may ask another machine for anything.
  withDefaultFonts: false,
  telemetry: false,
  hideClientButton: true,
  showDeveloperTools: 'never',
  agent: { disabled: true },
  mcp: { disabled: true },
  externalUrls: { dashboardUrl: '', registryUrl: '', proxyUrl: '', apiBaseUrl: '' },
  persistAuth: false,
  authentication: { preferredSecurityScheme: 'bearer', securitySchemes: { bearer: { token: 'placeholder' } } },
  defaultHttpClient: { targetKey: 'shell', clientKey: 'curl' },
  orderSchemaPropertiesBy: 'preserve',
  customCss: `
    :root { --scalar-font: system-ui, sans-serif; --scalar-font-code: ui-monospace, monospace; }
    section:focus-visible { outline: none; }
  `,
});
