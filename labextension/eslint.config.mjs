import js from '@eslint/js';
import reactHooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['lib/**', 'node_modules/**', 'style/**', '*.mjs', 'vitest.config.ts'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    plugins: { 'react-hooks': reactHooks },
    rules: {
      ...reactHooks.configs.recommended.rules,
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/explicit-function-return-type': ['error', { allowExpressions: true }],
      // `onClick={() => model.choose(…)}` reads well, and React ignores what it gives back.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // Numbers in texts are what most texts are about.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // JupyterLab's commands and namespaces are made so.
      '@typescript-eslint/no-namespace': 'off',
      // The type of an answer is the caller's to name: `client.get<Status>(…)`.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off'
    }
  }
);
